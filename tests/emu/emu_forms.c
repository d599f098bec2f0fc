// The table of instructions, and how an opcode is found in it.
#include <string.h>

#include "emu_internal.h"

#define EMU_FORM(sm, pattern, operands, handler, flow) emu_exec emu_x_##handler;
#include "emu_forms.def"
#undef EMU_FORM

static const emu_form forms[] = {
#define EMU_FORM(sm, pattern, operands, handler, flow) \
  {sm, pattern, operands, emu_x_##handler, EMU_##flow},
#include "emu_forms.def"
#undef EMU_FORM
};

static const char *const word_texts[] = {
    [EMU_W_NONE] = "",
#define EMU_WORD(id, text) [EMU_W_##id] = text,
#include "emu_words.def"
#undef EMU_WORD
};

u32 emu_type_size(emu_word type) {
  if (type < EMU_W_U8 || type > EMU_W_E5M2X2) {
    return 0;
  }
  u32 bytes = ptx_type_bytes(word_texts[type], strlen(word_texts[type]));
  return bytes ? bytes : type == EMU_W_E4M3X2 || type == EMU_W_E5M2X2 ? 2 : 4;
}

bool emu_type_is_signed(emu_word type) { return type >= EMU_W_S8 && type <= EMU_W_S64; }

emu_word emu_word_between(const emu_words *words, emu_word first, emu_word last) {
  for (emu_word word = first; word <= last; word++) {
    if (emu_has(words, word)) {
      return word;
    }
  }
  return EMU_W_NONE;
}

static emu_word find_word(const char *text, size_t size) {
  for (int i = 1; i < EMU_W_COUNT; i++) {
    if (!strncmp(word_texts[i], text, size) && !word_texts[i][size]) {
      return (emu_word)i;
    }
  }
  return EMU_W_NONE;
}

// Where the word that begins at |at| ends.
static const char *word_end(const char *at) { return at + strcspn(at, ".|)]["); }

// The next word of |opcode| behind *|at|, cache hints left out; size 0 at its end.
static size_t next_word(const char **at) {
  for (;;) {
    if (!**at) {
      return 0;
    }
    const char *word = *at + 1;
    size_t size = strcspn(word, ".");
    if ((!strncmp(word, "L1::", 4) || !strncmp(word, "L2::", 4)) &&
        strncmp(word, "L2::cache_hint", size)) {
      *at = word + size;
      continue;
    }
    *at = word;
    return size;
  }
}

typedef struct matcher {
  emu_matched *to;
  u32 types;
} matcher;

static void take(matcher *m, const char *word, size_t size) {
  emu_word id = find_word(word, size);
  m->to->words.bits[id >> 6] |= (u64)1 << (id & 63);
  if (emu_type_size(id) && m->types < sizeof m->to->types) {
    m->to->types[m->types++] = (u8)id;
  }
}

// Is the word one of the alternatives from *|pattern| to |close|? Moves *|pattern| behind them.
static bool one_of(const char **pattern, char close, const char *word, size_t size) {
  bool found = false;
  const char *at = *pattern;
  while (*at && *at != close) {
    at += *at == '.';
    const char *end = word_end(at);
    found |= size && (size_t)(end - at) == size && !memcmp(at, word, size);
    at = end + (*end == '|');
  }
  *pattern = at + (*at == close);
  return found;
}

static bool match_form(const char *opcode, const emu_form *form, emu_matched *matched) {
  *matched = (emu_matched){.form = form};
  matcher m = {matched, 0};
  size_t base = strcspn(opcode, ".");
  const char *pattern = form->pattern;
  if (strncmp(pattern, opcode, base) || (pattern[base] && !strchr(".[", pattern[base]))) {
    return false;
  }
  pattern += base;
  const char *word = opcode + base;
  size_t size = next_word(&word);
  while (*pattern) {
    bool optional = *pattern == '[', group = !strncmp(pattern, ".(", 2), found;
    if (optional || group) {
      pattern += optional ? 1 : 2;
      found = one_of(&pattern, optional ? ']' : ')', word, size);
    } else {
      const char *end = word_end(++pattern);
      found = size && (size_t)(end - pattern) == size && !memcmp(pattern, word, size);
      pattern = end;
    }
    if (found) {
      take(&m, word, size);
      word += size;
      size = next_word(&word);
    } else if (!optional) {
      return false;
    }
  }
  return !size;
}

bool emu_match(const char *opcode, int sm, emu_matched *matched, int *needs) {
  *needs = 0;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (!match_form(opcode, &forms[i], matched)) {
      continue;
    }
    if (forms[i].sm <= sm) {
      return true;
    }
    if (!*needs || forms[i].sm < *needs) {
      *needs = forms[i].sm;
    }
  }
  return false;
}
