// Kernel text: its grammar, and what the files of the parser share.
//
//   kernel   = "kernel" @name "(" [param {"," param}] ")" ["kind" "text"] ["width" int]
//              ["warps" int] block
//   param    = %name ":" type ["*" {"read" | "write"}]
//   block    = "{" {statement} "}"
//
// Statements, as kir_print writes them (left) or by hand (right):
//   %r = mnemonic operands : type ["varying"] ["saturate"]
//                                        %r = expr                  a name for a value
//   %v = var %x : type ["varying"]       var ["varying"] %v [: type] = expr
//   set %v, %x                           %v = expr, %v += expr      where %v is a variable
//   store %y[%i], %x                     %y[expr] = expr            elements; also += -= *=
//   aset %a[%i], %x
//   prefetch %x[%i]
//   atomic op %y[expr], expr
//   for %i = %a to %b step %s kind {..}  for [kind] %i in expr .. expr [step expr] block
//   while {.. cond %c} do {..}           while expr block
//   if %c {..} [else {..}]               if expr block [else (block | if ..)]
//   barrier                              kind = serial | unroll | lanes
//   vload %a[at], %x[%i], count          elements of arrays are numbers here, indices of buffers
//   vstore %y[%i], %a[at], count         may be expressions
//   copy_async %local[%i], %x[%j], count [, %guard]
//   commit    wait groups
//   ldmatrix %a[at], %local[%i], matrices ["transposed"]
//   mma "kind" %d[at], %a[at], %b[at]    a mnemonic of kir_mma.def
// An `if` by hand over a constant that is no plain name keeps the block taken alone.
//
// Expressions: || && (both operands are computed), == != < <= > >=, + -, * /, unary - and !;
// numbers, true, false, inf, nan, task, lane, warp; %x; %x[expr] loads; %v reads a variable; ( expr
// );
//   type(expr), cast<type>(expr), saturate<type>(expr), bitcast<type>(expr);
//   lowest<type>, highest<type>: the neutral elements of max and min;
//   select(c, a, b), fma(a, b, c), load_or(%x, index, guard, otherwise), reduce_add(x) (also mul
//   min max and or), exchange(x, distance); every elementwise operator of ops.def by its mnemonic,
//   as mod(a, b), exp(x).
// Numbers take the type of what they meet; alone, i64 or f32. Integer division is toward zero.
//
// Operand types are checked here; kir_verify checks what is left.
#ifndef AICC_IR_KIR_PARSE_H
#define AICC_IR_KIR_PARSE_H

#include "ir/kir.h"
#include "ir/kir_lex.h"

typedef struct kir_name {
  const char *text;
  size_t size;
  kir_val v;
} kir_name;

typedef struct kir_parser {
  aicc_arena *arena;
  aicc_diags *diags;
  const char *file;
  kir_lexer lexer;
  kir_token token, ahead;
  kir_kernel *kernel;
  kir_builder b;
  kir_name *names;  // visible ones; inner scopes last
  size_t name_count, name_capacity;
  const char *const *bindings;
  int binding_count;
  bool failed;      // after the first error everything returns at once
} kir_parser;

// A value, or a number that has no type yet.
typedef struct kir_expr {
  kir_val v;
  bool literal, is_float;
  int64_t i;
  double f;
} kir_expr;

// --- kir_parse_expr.c ----------------------------------------------------------------------------

void kir_parse_next(kir_parser *p);
bool kir_parse_accept(kir_parser *p, const char *text);
void kir_parse_expect(kir_parser *p, const char *text);
void kir_parse_expected(kir_parser *p, const char *what);  // reports
void kir_parse_problem(kir_parser *p, const kir_token *at, const char *text);
kir_val kir_parse_find(const kir_parser *p, const kir_token *name);  // 0: unknown
kir_val kir_parse_known(kir_parser *p);  // the value named by the token, which is taken; reports
aicc_dtype kir_parse_dtype(kir_parser *p);
int64_t kir_parse_int(kir_parser *p);
bool kir_parse_op(const kir_token *token, aicc_op *out);  // an elementwise operator

kir_expr kir_parse_expr(kir_parser *p);
// An expression as a value of |dtype|; reports others.
kir_val kir_parse_typed(kir_parser *p, aicc_dtype dtype, const char *what);
kir_val kir_parse_value(kir_parser *p);  // numbers take their own types
kir_val kir_parse_as(kir_parser *p, kir_expr e, aicc_dtype dtype, const kir_token *at);
// a op b for statements like %v += x.
kir_val kir_parse_combine(kir_parser *p, aicc_op op, kir_val a, kir_expr b, const kir_token *at);

// --- kir_parse_block.c: vectors, copies, matrices ------------------------------------------------

bool kir_parse_block_statement(kir_parser *p);  // false: the token begins none, nothing is taken

static inline const kir_value_info *kir_parse_info(const kir_parser *p, kir_val v) {
  return &p->kernel->values[v];
}

#endif
