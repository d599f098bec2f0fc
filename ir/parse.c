// Parser of .air text.
//
//   module   = [ "opset" INT ] [ "dims" bound { "," bound } ] graph
//   bound    = SYMBOL [ ">=" INT | "any" ]                        without: not negative
//   graph    = "graph" @NAME params "->" "(" [ out { "," out } ] ")" "{" { node } "}"
//   params   = "(" [ %NAME ":" type { "," %NAME ":" type } ] ")"
//   out      = [ ( WORD | STRING ) ":" ] %NAME
//   node     = [ %NAME { "," %NAME } "=" ] OP [ operand { "," operand } ] [ attrs ]
//              [ ":" ( "()" | type { "," type } ) ] [ "from" origin { "," origin } ] { region }
//   operand  = %NAME | "_"                                        _ : left out
//   attrs    = "{" KEY "=" value { "," KEY "=" value } "}"
//   value    = INT | FLOAT | STRING | DTYPE | tensor | "[" items "]"     by the kind of the key
//   origin   = STRING ( WORD | STRING ) INT                       ONNX node, operator, index
//   region   = "{" [ params ] { node } "yield" [ %NAME { "," %NAME } ] "}"
//   type     = DTYPE "[" [ dim { "," dim } ] "]" | DTYPE "[?]" | "seq<" type ">" | "opt<" type ">"
//   dim      = an expression of ir/dim.h
//   tensor   = DTYPE "[" sizes "]" ( "[" elements "]" | "splat(" element ")" )
//   element  = INT | FLOAT | "true" | "false" | STRING | "(" FLOAT "," FLOAT ")" | #BITS
//
// Tokens are those of lex.h; FLOAT is best written in hexadecimal, which is exact. Names made of
// digits without quotes are numbers of values that have no name. A node is one line, but for its
// regions: after an error the parser goes on at the next line, so that it reports all of them.
// Every node's types are inferred and compared with those stated.
#include <string.h>

#include "ir/infer.h"
#include "ir/parse_internal.h"

// --- tokens --------------------------------------------------------------------------------------

void aicc_parser_take(aicc_parser *p) {
  p->braces += aicc_token_is(&p->token, "{") ? 1 : aicc_token_is(&p->token, "}") ? -1 : 0;
  p->token = aicc_lexer_next(&p->lexer);
}

bool aicc_parser_accept(aicc_parser *p, const char *text) {
  if (!aicc_token_is(&p->token, text)) {
    return false;
  }
  aicc_parser_take(p);
  return true;
}

aicc_loc aicc_parser_loc(const aicc_parser *p, const aicc_token *at) {
  return (aicc_loc){.file = p->module->file, .line = at->line, .column = at->column};
}

bool aicc_parser_fail_expected(aicc_parser *p, const char *what) {
  const aicc_loc loc = aicc_parser_loc(p, &p->token);
  const char *found = p->token.kind == AICC_TOKEN_END
                          ? "the end of the text"
                          : aicc_token_text(&p->token, &p->scratch, NULL);
  AICC_EMIT(p->diags, E0001, &loc, what, found);
  return false;
}

bool aicc_parser_expect(aicc_parser *p, const char *text) {
  return aicc_parser_accept(p, text) ||
         aicc_parser_fail_expected(p, aicc_arena_printf(&p->scratch, "'%s'", text));
}

bool aicc_parser_enter(aicc_parser *p) {
  if (++p->depth <= AICC_PARSE_DEPTH_MAX) {
    return true;
  }
  const aicc_loc loc = aicc_parser_loc(p, &p->token);
  AICC_EMIT(p->diags, E0401, &loc, (int)AICC_PARSE_DEPTH_MAX);
  return false;
}

void aicc_parser_leave(aicc_parser *p) { p->depth--; }

// To the next line of a region that is |braces| deep; what the line opened is skipped whole.
static void skip_line(aicc_parser *p, int braces) {
  while (p->token.kind != AICC_TOKEN_END) {
    const bool closes = p->braces == braces && aicc_token_is(&p->token, "}");
    if (closes || (p->braces <= braces && p->token.first)) {
      return;
    }
    aicc_parser_take(p);
  }
}

// --- names ---------------------------------------------------------------------------------------

static bool is_number_name(const aicc_token *token) {
  if (token->quoted) {
    return false;
  }
  for (size_t i = 0; i < token->size; i++) {
    if (token->text[i] < '0' || token->text[i] > '9') {
      return false;
    }
  }
  return true;
}

// What the scope knows a value by: a quoted "1" is not the number 1.
static char *scope_key(aicc_parser *p, const aicc_token *token) {
  const char *text = aicc_token_text(token, &p->scratch, NULL);
  return aicc_arena_printf(&p->scratch, "%c%s", is_number_name(token) ? '#' : '%', text);
}

static bool define(aicc_parser *p, const aicc_token *token, aicc_value *value) {
  if (!is_number_name(token)) {
    value->name = aicc_token_text(token, &p->module->arena, NULL);
  }
  if (aicc_names_add(&p->scope->names, &p->scratch, scope_key(p, token), value)) {
    return true;
  }
  const aicc_loc loc = aicc_parser_loc(p, token);
  AICC_EMIT(p->diags, E0003, &loc, aicc_token_text(token, &p->scratch, NULL));
  return false;
}

static aicc_value *look_up(aicc_parser *p, const aicc_token *token) {
  const char *key = scope_key(p, token);
  for (const aicc_parse_scope *s = p->scope; s; s = s->outer) {
    aicc_value *value = aicc_names_get(&s->names, key);
    if (value) {
      return value;
    }
  }
  const aicc_loc loc = aicc_parser_loc(p, token);
  AICC_EMIT(p->diags, E0002, &loc, aicc_token_text(token, &p->scratch, NULL));
  return NULL;
}

static bool parse_value_use(aicc_parser *p, aicc_value **out) {
  if (p->token.kind != AICC_TOKEN_VALUE) {
    return aicc_parser_fail_expected(p, "a value");
  }
  *out = look_up(p, &p->token);
  aicc_parser_take(p);
  return *out != NULL;
}

// --- one node ------------------------------------------------------------------------------------

typedef struct value_list {
  aicc_value **items;
  size_t count, capacity;
} value_list;

typedef struct statement {
  aicc_token start;
  int braces;  // at its start
  aicc_token *results;
  size_t result_count, result_capacity;
  aicc_op op;
  value_list operands;
  aicc_type *types;  // as many as results, where they are stated
  aicc_node *node;
} statement;

static bool parse_result_names(aicc_parser *p, statement *s) {
  while (p->token.kind == AICC_TOKEN_VALUE) {
    AICC_PUSH(&p->scratch, s->results, s->result_count, s->result_capacity, p->token);
    aicc_parser_take(p);
    if (!aicc_parser_accept(p, ",")) {
      return aicc_parser_expect(p, "=");
    }
  }
  return s->result_count == 0 || aicc_parser_fail_expected(p, "a value");
}

static bool parse_op(aicc_parser *p, statement *s) {
  if (p->token.kind != AICC_TOKEN_WORD) {
    return aicc_parser_fail_expected(p, "an operator");
  }
  if (!aicc_op_from_name(p->token.text, p->token.size, &s->op)) {
    const aicc_loc loc = aicc_parser_loc(p, &p->token);
    AICC_EMIT(p->diags, E0004, &loc, aicc_token_text(&p->token, &p->scratch, NULL));
    return false;
  }
  aicc_parser_take(p);
  return true;
}

// All operands are looked at, so that every unknown name is reported.
static bool parse_operands(aicc_parser *p, statement *s) {
  if ((p->token.kind != AICC_TOKEN_VALUE && !aicc_token_is(&p->token, "_")) || p->token.first) {
    return true;
  }
  bool known = true;
  do {
    aicc_value *value = NULL;
    if (aicc_parser_accept(p, "_")) {
      // left out
    } else if (p->token.kind == AICC_TOKEN_VALUE) {
      known = parse_value_use(p, &value) && known;
    } else {
      return aicc_parser_fail_expected(p, "a value");
    }
    AICC_PUSH(&p->scratch, s->operands.items, s->operands.count, s->operands.capacity, value);
  } while (aicc_parser_accept(p, ","));
  return known;
}

static bool parse_types(aicc_parser *p, statement *s) {
  const aicc_token at = p->token;
  size_t count = 0;
  if (aicc_parser_accept(p, ":") && aicc_parser_accept(p, "(")) {
    if (!aicc_parser_expect(p, ")")) {
      return false;
    }
  } else if (aicc_token_is(&at, ":")) {
    do {
      aicc_type type;
      if (!aicc_parse_type(p, &type)) {
        return false;
      }
      if (count < s->result_count) {
        s->types[count] = type;
      }
      count++;
    } while (aicc_parser_accept(p, ","));
  }
  if (count == s->result_count) {
    return true;
  }
  const aicc_loc loc = aicc_parser_loc(p, &at);
  AICC_EMIT(p->diags, E0001, &loc, "as many types as results",
            aicc_arena_printf(&p->scratch, "%zu", count));
  return false;
}

static bool parse_origin(aicc_parser *p, aicc_origin *out) {
  aicc_arena *arena = &p->module->arena;
  int64_t index;
  if (p->token.kind != AICC_TOKEN_STRING) {
    return aicc_parser_fail_expected(p, "the name of an ONNX node");
  }
  out->node = aicc_token_text(&p->token, arena, NULL);
  aicc_parser_take(p);
  if (p->token.kind != AICC_TOKEN_WORD && p->token.kind != AICC_TOKEN_STRING) {
    return aicc_parser_fail_expected(p, "an ONNX operator");
  }
  out->op = aicc_token_text(&p->token, arena, NULL);
  aicc_parser_take(p);
  if (!aicc_parse_int(p, &index)) {
    return false;
  }
  out->index = (int)index;
  return true;
}

static bool parse_origins(aicc_parser *p, aicc_node *node) {
  if (!aicc_parser_accept(p, "from")) {
    return true;
  }
  do {
    aicc_origin origin;
    if (!parse_origin(p, &origin)) {
      return false;
    }
    aicc_node_add_origins(p->module, node, &origin, 1);
  } while (aicc_parser_accept(p, ","));
  return true;
}

static bool parse_regions(aicc_parser *p, aicc_node *node);

static bool parse_rest(aicc_parser *p, statement *s) {
  if (aicc_token_is(&p->token, "{") && !aicc_parse_attrs(p, s->node)) {
    return false;
  }
  return parse_types(p, s) && parse_origins(p, s->node) && parse_regions(p, s->node);
}

// Infers the node's types, says its complaints at the line of the text, and compares the types.
static void infer(aicc_parser *p, statement *s) {
  for (size_t i = 0; i < s->operands.count; i++) {
    const aicc_value *x = s->operands.items[i];
    if (x && x->def && !x->def->parent) {
      return;  // of a node that is wrong: its type may be unknown
    }
  }
  const aicc_loc loc = aicc_parser_loc(p, &s->start);
  if (!aicc_node_check_counts(s->node, &loc, p->diags)) {
    return;
  }
  aicc_diags apart;
  aicc_diags_init(&apart);
  const aicc_status status = aicc_infer(p->module, s->node, &apart);
  for (size_t i = 0; i < apart.count; i++) {
    aicc_diag_append(p->diags, apart.items[i].id, &loc, apart.items[i].text);
  }
  aicc_diags_deinit(&apart);
  for (int i = 0; status == AICC_OK && i < s->node->out_count; i++) {
    aicc_type *inferred = &s->node->out[i]->type;
    if (!aicc_type_equal(inferred, &s->types[i])) {
      AICC_EMIT(p->diags, E0201, &loc, aicc_op_info_of(s->node)->name,
                aicc_type_print(p->module, &s->types[i], &p->scratch),
                aicc_type_print(p->module, inferred, &p->scratch));
    }
  }
}

static void state_types(statement *s) {
  for (size_t i = 0; i < s->result_count; i++) {
    s->node->out[i]->type = s->types[i];
  }
}

// What stands behind the operator. False after an error; the line is then passed.
static bool parse_body(aicc_parser *p, statement *s, aicc_region *region) {
  const bool known = parse_operands(p, s);
  s->node = aicc_node_create(p->module, s->op, s->operands.items, (int)s->operands.count,
                             (int)s->result_count);
  aicc_node_append(region, s->node);
  // The next line belongs to the next node.
  const bool ends = p->token.first || p->token.kind == AICC_TOKEN_END;
  if (ends && s->result_count) {
    const aicc_loc loc = aicc_parser_loc(p, &s->start);
    AICC_EMIT(p->diags, E0001, &loc, "':'", "the end of the line");
    return false;
  }
  if (ends || parse_rest(p, s)) {
    return known;
  }
  skip_line(p, s->braces);
  return false;
}

// Results are defined also after an error, so that it is not reported again at their uses.
static void parse_node(aicc_parser *p, aicc_region *region) {
  statement s = {.start = p->token, .braces = p->braces};
  const size_t errors = p->diags->error_count;
  bool good = parse_result_names(p, &s) && parse_op(p, &s);
  s.types = AICC_NEW_ARRAY(&p->scratch, aicc_type, s.result_count);
  if (good) {
    good = parse_body(p, &s, region);
    if (!good) {
      aicc_node_unlink(s.node);
    }
  } else {
    s.node = aicc_node_create(p->module, AICC_OP_OPAQUE, NULL, 0, (int)s.result_count);
    skip_line(p, s.braces);
  }
  state_types(&s);
  if (good && p->diags->error_count == errors) {
    infer(p, &s);
    state_types(&s);
  }
  for (size_t i = 0; i < s.result_count; i++) {
    define(p, &s.results[i], s.node->out[i]);
  }
}

// --- regions -------------------------------------------------------------------------------------

static bool parse_params(aicc_parser *p, aicc_region *region) {
  if (!aicc_parser_expect(p, "(")) {
    return false;
  }
  if (aicc_parser_accept(p, ")")) {
    return true;
  }
  do {
    const aicc_token name = p->token;
    aicc_type type;
    if (name.kind != AICC_TOKEN_VALUE) {
      return aicc_parser_fail_expected(p, "a parameter");
    }
    aicc_parser_take(p);
    if (!aicc_parser_expect(p, ":") || !aicc_parse_type(p, &type)) {
      return false;
    }
    define(p, &name, aicc_region_add_param(p->module, region, NULL, type));
  } while (aicc_parser_accept(p, ","));
  return aicc_parser_expect(p, ")");
}

static void parse_nodes(aicc_parser *p, aicc_region *region) {
  while (p->token.kind != AICC_TOKEN_END && !aicc_token_is(&p->token, "}") &&
         !aicc_token_is(&p->token, "yield")) {
    const char *before = p->token.text;
    parse_node(p, region);
    if (p->token.text == before) {
      aicc_parser_take(p);  // a token no rule wants must not stop us
    }
  }
}

static bool parse_yield(aicc_parser *p, aicc_region *region) {
  value_list results = {0};
  if (!aicc_parser_expect(p, "yield")) {
    return false;
  }
  bool good = true;
  while (p->token.kind == AICC_TOKEN_VALUE) {
    aicc_value *value;
    good = parse_value_use(p, &value) && good;
    AICC_PUSH(&p->scratch, results.items, results.count, results.capacity, value);
    if (!aicc_parser_accept(p, ",")) {
      break;
    }
  }
  if (good) {
    aicc_region_set_results(p->module, region, results.items, (int)results.count);
  }
  return good;
}

static bool parse_region(aicc_parser *p, aicc_node *node) {
  if (!aicc_parser_enter(p)) {
    return false;
  }
  aicc_parse_scope scope = {.outer = p->scope};
  aicc_region *region = aicc_region_create(p->module, node);
  aicc_node_add_region(p->module, node, region);
  p->scope = &scope;
  aicc_parser_take(p);  // {
  bool good = !aicc_token_is(&p->token, "(") || parse_params(p, region);
  if (good) {
    parse_nodes(p, region);
    good = parse_yield(p, region);
  }
  p->scope = scope.outer;
  aicc_parser_leave(p);
  return aicc_parser_expect(p, "}") && good;
}

static bool parse_regions(aicc_parser *p, aicc_node *node) {
  while (aicc_token_is(&p->token, "{") && !p->token.first) {
    if (!parse_region(p, node)) {
      return false;
    }
  }
  return true;
}

// --- modules -------------------------------------------------------------------------------------

typedef struct out_list {
  aicc_token *values;
  size_t count, capacity;
  const char **names;
  size_t name_count, name_capacity;
} out_list;

static bool parse_out(aicc_parser *p, out_list *list) {
  const char *name = NULL;
  if (p->token.kind == AICC_TOKEN_WORD || p->token.kind == AICC_TOKEN_STRING) {
    name = aicc_token_text(&p->token, &p->module->arena, NULL);
    aicc_parser_take(p);
    if (!aicc_parser_expect(p, ":")) {
      return false;
    }
  }
  if (p->token.kind != AICC_TOKEN_VALUE) {
    return aicc_parser_fail_expected(p, "a value");
  }
  AICC_PUSH(&p->module->arena, list->names, list->name_count, list->name_capacity, name);
  AICC_PUSH(&p->scratch, list->values, list->count, list->capacity, p->token);
  aicc_parser_take(p);
  return true;
}

static bool parse_outs(aicc_parser *p, out_list *list) {
  if (!aicc_parser_expect(p, "->") || !aicc_parser_expect(p, "(")) {
    return false;
  }
  if (aicc_parser_accept(p, ")")) {
    return true;
  }
  do {
    if (!parse_out(p, list)) {
      return false;
    }
  } while (aicc_parser_accept(p, ","));
  return aicc_parser_expect(p, ")");
}

// The results are named in the head, before the text defines them. A NULL among them was reported:
// the module is then dropped.
static void resolve_outs(aicc_parser *p, const out_list *list) {
  aicc_value **results = AICC_NEW_ARRAY(&p->scratch, aicc_value *, list->count);
  for (size_t i = 0; i < list->count; i++) {
    results[i] = look_up(p, &list->values[i]);
  }
  p->module->result_names = list->names;
  aicc_region_set_results(p->module, p->module->body, results, (int)list->count);
}

static bool parse_head(aicc_parser *p, out_list *outs) {
  int64_t opset;
  if (aicc_parser_accept(p, "opset")) {
    if (!aicc_parse_int(p, &opset)) {
      return false;
    }
    p->module->opset = (int)opset;
  }
  if (aicc_token_is(&p->token, "dims") && !aicc_parse_symbols(p)) {
    return false;
  }
  if (!aicc_parser_expect(p, "graph")) {
    return false;
  }
  if (p->token.kind != AICC_TOKEN_SYMBOL) {
    return aicc_parser_fail_expected(p, "the name of the graph");
  }
  p->module->name = aicc_token_text(&p->token, &p->module->arena, NULL);
  aicc_parser_take(p);
  return parse_params(p, p->module->body) && parse_outs(p, outs) && aicc_parser_expect(p, "{");
}

static void parse_module(aicc_parser *p) {
  out_list outs = {0};
  if (!parse_head(p, &outs)) {
    return;
  }
  parse_nodes(p, p->module->body);
  resolve_outs(p, &outs);
  if (aicc_parser_expect(p, "}") && p->token.kind != AICC_TOKEN_END) {
    aicc_parser_fail_expected(p, "the end of the text");
  }
}

aicc_module *aicc_module_parse(const char *text, size_t size, const char *file,
                               aicc_diags *diags) {
  const size_t errors = diags->error_count;
  aicc_parse_scope scope = {0};
  aicc_parser p = {.module = aicc_module_create("main"), .diags = diags, .scope = &scope};
  p.module->file = aicc_arena_strdup(&p.module->arena, file);
  aicc_arena_init(&p.scratch);
  aicc_lexer_init(&p.lexer, text, size);
  aicc_parser_take(&p);
  parse_module(&p);
  aicc_arena_deinit(&p.scratch);
  if (diags->error_count == errors) {
    return p.module;
  }
  aicc_module_destroy(p.module);
  return NULL;
}
