#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx.h"

typedef struct chunk {
  struct chunk *next;
  size_t used, size;
} chunk;

struct ptx_arena {
  chunk *chunks;
};

enum { CHUNK_BYTES = 64 << 10, CHUNK_HEAD = 32 };

ptx_arena *ptx_arena_create(void) {
  ptx_arena *arena = calloc(1, sizeof *arena);
  if (!arena) {
    abort();
  }
  return arena;
}

void ptx_arena_destroy(ptx_arena *arena) {
  if (!arena) {
    return;
  }
  for (chunk *at = arena->chunks; at;) {
    chunk *next = at->next;
    free(at);
    at = next;
  }
  free(arena);
}

void *ptx_alloc(ptx_arena *arena, size_t bytes) {
  bytes = (bytes + 15) & ~(size_t)15;
  chunk *at = arena->chunks;
  if (!at || at->size - at->used < bytes) {
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    at = calloc(1, CHUNK_HEAD + size);
    if (!at) {
      abort();
    }
    at->size = size;
    at->next = arena->chunks;
    arena->chunks = at;
  }
  void *result = (char *)at + CHUNK_HEAD + at->used;
  at->used += bytes;
  return result;
}

char *ptx_text(ptx_arena *arena, const char *text, size_t size) {
  char *copy = ptx_alloc(arena, size + 1);
  memcpy(copy, text, size);
  return copy;
}

void ptx_error(ptx_errors *errors, int line, const char *format, ...) {
  if (!errors->count++) {
    errors->first_line = line;
  }
  char message[400];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  size_t room = sizeof errors->text - errors->size;
  if (room < 440) {
    return;
  }
  int size = line ? snprintf(errors->text + errors->size, room, "%sline %d: %s",
                             errors->size ? "\n" : "", line, message)
                  : snprintf(errors->text + errors->size, room, "%s%s", errors->size ? "\n" : "",
                             message);
  errors->size += (size_t)size;
}

// ---- tokens ------------------------------------------------------------------------------------

static bool is_word(int c) {
  return isalnum(c) || c == '_' || c == '$' || c == '%' || c == '.';
}

static ptx_token token(ptx_lexer *lexer, ptx_token_kind kind, const char *from) {
  return (ptx_token){kind, from, (size_t)(lexer->at - from), lexer->line};
}

// LLVM says of registers that it leaves undefined, in comments, that they are. True: one was found.
static bool skip_comment(ptx_lexer *lexer, ptx_token *undefined) {
  const char *from = lexer->at + 2;
  if (lexer->at[1] == '/') {
    while (lexer->at < lexer->end && *lexer->at != '\n') {
      lexer->at++;
    }
    static const char mark[] = "implicit-def: ";
    while (from < lexer->at && isspace((unsigned char)*from)) {
      from++;
    }
    if ((size_t)(lexer->at - from) > sizeof mark && !memcmp(from, mark, sizeof mark - 1)) {
      from += sizeof mark - 1;
      const char *to = from;
      while (to < lexer->at && is_word((unsigned char)*to)) {
        to++;
      }
      *undefined = (ptx_token){PTX_UNDEF, from, (size_t)(to - from), lexer->line};
      return true;
    }
    return false;
  }
  lexer->at += 2;
  while (lexer->at < lexer->end &&
         !(lexer->at[0] == '*' && lexer->at + 1 < lexer->end && lexer->at[1] == '/')) {
    lexer->line += *lexer->at++ == '\n';
  }
  lexer->open |= lexer->end - lexer->at < 2;
  lexer->at = lexer->open ? lexer->end : lexer->at + 2;
  return false;
}

static ptx_token string_token(ptx_lexer *lexer) {
  const char *from = ++lexer->at;
  while (lexer->at < lexer->end && *lexer->at != '"' && *lexer->at != '\n') {
    lexer->at++;
  }
  ptx_token result = token(lexer, PTX_STRING, from);
  lexer->open |= lexer->at == lexer->end || *lexer->at != '"';
  lexer->at += lexer->at < lexer->end;
  return result;
}

ptx_token ptx_next(ptx_lexer *lexer) {
  while (lexer->at < lexer->end) {
    const char *from = lexer->at;
    unsigned char c = (unsigned char)*from;
    if (isspace(c)) {
      lexer->line += c == '\n';
      lexer->at++;
      continue;
    }
    if (c == '/' && lexer->at + 1 < lexer->end && (from[1] == '/' || from[1] == '*')) {
      ptx_token undefined;
      if (skip_comment(lexer, &undefined)) {
        return undefined;
      }
      continue;
    }
    if (c == '"') {
      return string_token(lexer);
    }
    lexer->at++;
    if (!is_word(c)) {
      return token(lexer, PTX_MARK, from);
    }
    bool number = isdigit(c) != 0, directive = c == '.';  // .reg.b16 is two
    while (lexer->at < lexer->end) {
      bool scoped = lexer->end - lexer->at > 2 && lexer->at[0] == ':' && lexer->at[1] == ':' &&
                    is_word((unsigned char)lexer->at[2]);
      bool exponent = number && (*lexer->at == '+' || *lexer->at == '-') && from[1] != 'x' &&
                      (lexer->at[-1] == 'e' || lexer->at[-1] == 'E') && from[1] != 'f' &&
                      from[1] != 'd';
      if ((directive && *lexer->at == '.') ||
          (!scoped && !exponent && !is_word((unsigned char)*lexer->at))) {
        break;
      }
      lexer->at += scoped ? 2 : 1;
    }
    return token(lexer, number ? PTX_NUMBER : PTX_WORD, from);
  }
  return (ptx_token){PTX_END, lexer->at, 0, lexer->line};
}
