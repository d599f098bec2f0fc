// com.microsoft.Tokenizer: a pattern of what tokens are, or of what stands between them.
#include <string.h>

#include "frontend/import_string.h"
#include "ir/regex.h"

// Whether all that matches is one character, so that nothing longer matches where it does.
static bool is_one_character(const aicc_regex *regex) {
  bool good = true;
  for (int state = AICC_REGEX_DEAD + 1; state < regex->states && good; state++) {
    for (int byte = 0; byte < 256 && good; byte++) {
      const bool continues = byte >= 0x80 && byte < 0xC0 && !regex->accepts[state];
      good = state == AICC_REGEX_START || continues ||
             regex->next[state * 256 + byte] == AICC_REGEX_DEAD;
    }
  }
  return good;
}

// A pattern that may be looked for anywhere in a text.
static aicc_status check_pattern(aicc_importer *im, const aicc_onnx_node *n, const char *pattern,
                                 aicc_regex *regex) {
  const char *problem = aicc_regex_compile(&im->scratch, pattern, regex);
  if (problem == NULL && regex->edges) {
    problem = "it asks what stands beside a token";
  }
  if (problem == NULL && regex->accepts[AICC_REGEX_START]) {
    problem = "it matches the empty text";
  }
  return problem == NULL ? AICC_OK
                         : aicc_unsupported(im, n, "the pattern '%s': %s", pattern, problem);
}

// Separators cut a text one after the other. One pattern of all of them cuts it in the same places
// where each is a single character.
static aicc_status join_separators(aicc_importer *im, const aicc_onnx_node *n,
                                   const char *const *separators, int count, const char **out) {
  aicc_regex regex;
  for (int i = 0; i < count; i++) {
    AICC_TRY(check_pattern(im, n, separators[i], &regex));
    if (count > 1 && !is_one_character(&regex)) {
      return aicc_unsupported(im, n, "several separators, one of more than a character: '%s'",
                              separators[i]);
    }
    *out = i ? aicc_arena_printf(&im->scratch, "%s|(?:%s)", *out, separators[i])
             : aicc_arena_printf(&im->scratch, "(?:%s)", separators[i]);
  }
  return AICC_OK;
}

aicc_status import_tokenizer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  int count;
  const char *const *separators = aicc_onnx_strings(n, "separators", &count);
  const char *pattern = aicc_onnx_string(n, "tokenexp", NULL);
  const bool characters = count == 1 && separators[0][0] == '\0';
  const int64_t ints[] = {count > 0 && !characters, aicc_onnx_int(n, "mincharnum", 1),
                          aicc_onnx_int(n, "mark", 0)};
  const char *padding = aicc_onnx_string(n, "pad_value", "");
  aicc_regex regex;
  if ((count > 0) == (pattern != NULL)) {
    return aicc_invalid(im, n, "either 'separators' or 'tokenexp' must be given");
  }
  if (ints[1] < 1 || aicc_in(n, 0)->type.rank < 1 || aicc_in(n, 0)->type.rank > 2) {
    return aicc_invalid(im, n, "mincharnum must be at least 1, and the input [C] or [N, C]");
  }
  if (characters) {
    pattern = ".|\n";
  } else if (count > 0) {
    AICC_TRY(join_separators(im, n, separators, count, &pattern));
  }
  AICC_TRY(check_pattern(im, n, pattern, &regex));
  const char *const strings[] = {pattern, padding, "\x02", "\x03"};
  const aicc_cut cut = {"string_tokenize_count", "string_tokenize", ints, strings, 3, 4};
  aicc_value *tokens, *counts;
  AICC_TRY(aicc_cut_strings(im, n, &cut, &tokens, &counts));
  return aicc_set_out(im, n, 0, tokens);
}
