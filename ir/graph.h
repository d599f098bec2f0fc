// Graph IR: an SSA graph of tensor operators with regions, symbolic dimensions and typed
// attributes.
//
// Ownership: a module owns everything through its arena; nodes are unlinked, never freed. Weight
// bytes live outside, in aicc_buf objects the module retains. Types are immutable and may be shared
// between values. Names and strings are arena strings.
// Scope: a region sees the values of the regions around it. `group`, `if` and `loop` capture
// implicitly; only region parameters and results are listed.
// Symbols: the dimensions of graph inputs are defined at entry. A symbol in a region parameter's
// type, or in a result type of an operator with trait DEFS or of `if` and `loop`, that nothing
// before it defined is defined there, from the value that is found at run time.
// Thread-compatible: one module, one thread.
#ifndef AICC_IR_GRAPH_H
#define AICC_IR_GRAPH_H

#include "ir/buf.h"
#include "ir/diag.h"
#include "ir/dim.h"
#include "ir/dtype.h"

enum { AICC_MAX_RANK = 12, AICC_PARTIAL_MAX = 1024 };

typedef enum aicc_op_kind {
  AICC_KIND_SOURCE, AICC_KIND_ELTWISE, AICC_KIND_VIEW, AICC_KIND_MOVE, AICC_KIND_REDUCE,
  AICC_KIND_CONTRACT, AICC_KIND_SCATTER, AICC_KIND_SCAN, AICC_KIND_OPAQUE, AICC_KIND_CONTROL,
} aicc_op_kind;

typedef enum aicc_op_trait {
  AICC_TRAIT_COMM = 1, AICC_TRAIT_IDEM = 2, AICC_TRAIT_BOOL_RESULT = 4, AICC_TRAIT_DEFS = 8,
} aicc_op_trait;

typedef enum aicc_op {
#define AICC_OP(name, mnemonic, least, most, results, regions, kind, traits, infer) AICC_OP_##name,
#include "ir/ops.def"
#undef AICC_OP
  AICC_OP_COUNT
} aicc_op;

typedef enum aicc_attr_kind {
  AICC_ATTR_KIND_INT, AICC_ATTR_KIND_FLOAT, AICC_ATTR_KIND_STRING, AICC_ATTR_KIND_INTS,
  AICC_ATTR_KIND_FLOATS, AICC_ATTR_KIND_STRINGS, AICC_ATTR_KIND_DIMS, AICC_ATTR_KIND_DTYPE,
  AICC_ATTR_KIND_TENSOR,
} aicc_attr_kind;

typedef enum aicc_attr_key {
#define AICC_ATTR(name, mnemonic, kind) AICC_ATTR_##name,
#include "ir/attrs.def"
#undef AICC_ATTR
  AICC_ATTR_KEY_COUNT
} aicc_attr_key;

typedef struct aicc_module aicc_module;
typedef struct aicc_region aicc_region;
typedef struct aicc_node aicc_node;
typedef struct aicc_value aicc_value;

typedef enum aicc_type_kind {
  AICC_TYPE_TENSOR, AICC_TYPE_SEQUENCE, AICC_TYPE_OPTIONAL,
} aicc_type_kind;

// f32[N, 3], seq<f32[?]>, opt<...>. A tensor of rank 0 is a scalar.
typedef struct aicc_type {
  aicc_type_kind kind;
  aicc_dtype dtype;                 // tensors
  int rank;                         // tensors; -1 (only inside sequences): unknown
  const aicc_dim *dims;             // rank of them
  const struct aicc_type *element;  // sequences and optionals
} aicc_type;

// Constant tensor. Elements are dense, row-major, in memory layout of the type (dtype.def).
// Either |data| in the module's arena or static memory (buf NULL), or a view into |buf|. Numbers in
// a mapped file may stand at any address: aicc_get_f64 and aicc_eval_value_from_tensor see to that.
typedef struct aicc_tensor {
  aicc_dtype dtype;
  int rank;
  const int64_t *shape;
  const void *data;  // size = product of shape * element size
  aicc_buf *buf;     // retained by the module; NULL: data is in the arena
} aicc_tensor;

typedef struct aicc_attr {
  aicc_attr_key key;
  int count;  // of ints, floats, strings, dims
  union {
    int64_t i;
    double f;
    const char *s;
    const int64_t *ints;
    const double *floats;
    const char *const *strings;
    const aicc_dim *dims;
    aicc_dtype dtype;
    const aicc_tensor *tensor;
  };
} aicc_attr;

// Where a node came from: a set of ONNX nodes, sorted by index.
typedef struct aicc_origin {
  const char *node;  // ONNX node name, "#12" where it has none
  const char *op;    // "Conv"
  int index;         // position in the model's node list
} aicc_origin;

struct aicc_value {
  uint32_t id;             // dense in the module; side tables are arrays
  const char *name;        // without sigil; NULL: printed by id
  aicc_type type;
  aicc_node *def;          // NULL: parameter of |region|
  aicc_region *region;     // parameters: the region they enter
  int index;               // which result or parameter
  // Elements as expressions, AICC_DIM_NONE where one is not known; NULL: none is (partial.c). For
  // integer and bool (0 or 1) tensors with at most AICC_PARTIAL_MAX elements, and for float tensors
  // computed from them whose elements are integers. Sizes are taken to fit i32, and 24 bits where a
  // model computes them in f32.
  const aicc_dim *partial;
};

struct aicc_node {
  uint32_t id;
  aicc_op op;
  int in_count, out_count, attr_count, region_count;
  aicc_value **in;         // NULL entries: an optional operand left out
  aicc_value **out;
  aicc_attr *attrs;
  aicc_region **regions;
  aicc_region *parent;
  aicc_node *prev, *next;  // in parent's order: definitions before uses
  const aicc_origin *origins;
  int origin_count;
};

struct aicc_region {
  aicc_node *parent;       // NULL: the graph's body
  aicc_value **params;
  int param_count;
  aicc_node *first, *last;
  aicc_value **results;
  int result_count;
};

struct aicc_module {
  aicc_arena arena;
  aicc_dims *dims;
  const char *name;        // of the graph
  aicc_region *body;       // params: graph inputs; results: graph outputs
  const char **result_names;
  uint32_t value_count, node_count;  // ids are below
  aicc_buf **bufs;         // retained
  size_t buf_count, buf_capacity;
  const char *file;        // for diagnostics
  int opset;
  bool tf32;  // contractions of f32 may round their operands to tf32: set before lowering
};

// --- tables -------------------------------------------------------------------------------------

typedef aicc_status (*aicc_infer_fn)(aicc_module *module, aicc_node *node, aicc_diags *diags);

typedef struct aicc_op_info {
  const char *name;
  int least, most, results, regions;
  aicc_op_kind kind;
  unsigned traits;
  aicc_infer_fn infer;
} aicc_op_info;

extern const aicc_op_info aicc_op_table[AICC_OP_COUNT];
typedef struct aicc_attr_info {
  const char *name;
  aicc_attr_kind kind;
} aicc_attr_info;
extern const aicc_attr_info aicc_attr_table[AICC_ATTR_KEY_COUNT];

static inline const aicc_op_info *aicc_op_info_of(const aicc_node *node) {
  return &aicc_op_table[node->op];
}
static inline aicc_op_kind aicc_kind_of(const aicc_node *node) {
  return aicc_op_table[node->op].kind;
}
bool aicc_op_from_name(const char *name, size_t length, aicc_op *out);
bool aicc_attr_key_from_name(const char *name, size_t length, aicc_attr_key *out);

// --- modules, values, nodes ---------------------------------------------------------------------

aicc_module *aicc_module_create(const char *name);
void aicc_module_destroy(aicc_module *module);
// An equal module: same ids of values, nodes and dims, so that passes and lowering do with it what
// they would do with |module|. Each may be changed without the other; what never changes (names,
// strings, types, origins, tensors) is shared: |module| must outlive it.
aicc_module *aicc_module_clone(const aicc_module *module);
void aicc_module_keep_buf(aicc_module *module, aicc_buf *buf);  // retains, once per buffer

aicc_region *aicc_region_create(aicc_module *module, aicc_node *parent);
aicc_value *aicc_region_add_param(aicc_module *module, aicc_region *region, const char *name,
                                  aicc_type type);
void aicc_region_set_results(aicc_module *module, aicc_region *region, aicc_value *const *results,
                             int count);

// A node with |out_count| fresh results (types unset), not linked in anywhere yet.
aicc_node *aicc_node_create(aicc_module *module, aicc_op op, aicc_value *const *in, int in_count,
                            int out_count);
void aicc_node_append(aicc_region *region, aicc_node *node);
void aicc_node_insert_before(aicc_node *position, aicc_node *node);
void aicc_node_unlink(aicc_node *node);
void aicc_node_add_region(aicc_module *module, aicc_node *node, aicc_region *region);
// Adds origins to a node's set (merged, sorted, without doubles). Their strings are borrowed: they
// must live in the module's arena.
void aicc_node_add_origins(aicc_module *module, aicc_node *node, const aicc_origin *origins,
                           int count);

// Replaces every use of |from| by |to| in the whole module (operands and region results).
void aicc_value_replace(aicc_module *module, aicc_value *from, aicc_value *to);
// The same for many values in one walk: |map| has an entry per value id, NULL where it stays.
// Chains (a -> b -> c) are followed; they must end.
void aicc_values_replace(aicc_module *module, aicc_value **map);

// Calls |visit| for every node of |region| and the regions in it, in order. A visitor may unlink
// the node it is called for and insert others before it.
typedef void (*aicc_visit_fn)(void *context, aicc_node *node);
void aicc_region_visit(aicc_region *region, aicc_visit_fn visit, void *context);
// Number of uses per value id (operands and region results); arena array of value_count.
uint32_t *aicc_count_uses(const aicc_module *module, aicc_arena *arena);

// --- attributes: setters replace; getters give the default where absent --------------------------
// Setters copy what they are given, but not the elements of a tensor (see aicc_tensor); its buffer
// is retained. A node's attributes are sorted by key.

const aicc_attr *aicc_attr_find(const aicc_node *node, aicc_attr_key key);  // NULL: absent
void aicc_attr_remove(aicc_node *node, aicc_attr_key key);
// Gives |to|, which has none, the attributes of |from|; both may be changed from then on.
void aicc_attrs_copy(aicc_module *module, aicc_node *to, const aicc_node *from);
void aicc_set_int(aicc_module *module, aicc_node *node, aicc_attr_key key, int64_t value);
void aicc_set_float(aicc_module *module, aicc_node *node, aicc_attr_key key, double value);
void aicc_set_string(aicc_module *module, aicc_node *node, aicc_attr_key key, const char *value);
void aicc_set_ints(aicc_module *module, aicc_node *node, aicc_attr_key key, const int64_t *values,
                   int count);
void aicc_set_floats(aicc_module *module, aicc_node *node, aicc_attr_key key, const double *values,
                     int count);
void aicc_set_strings(aicc_module *module, aicc_node *node, aicc_attr_key key,
                      const char *const *values, int count);
void aicc_set_dims(aicc_module *module, aicc_node *node, aicc_attr_key key, const aicc_dim *values,
                   int count);
void aicc_set_dtype(aicc_module *module, aicc_node *node, aicc_attr_key key, aicc_dtype value);
void aicc_set_tensor(aicc_module *module, aicc_node *node, aicc_attr_key key,
                     const aicc_tensor *value);
int64_t aicc_get_int(const aicc_node *node, aicc_attr_key key, int64_t otherwise);
double aicc_get_float(const aicc_node *node, aicc_attr_key key, double otherwise);
const char *aicc_get_string(const aicc_node *node, aicc_attr_key key, const char *otherwise);
const int64_t *aicc_get_ints(const aicc_node *node, aicc_attr_key key, int *count);  // NULL: absent
const double *aicc_get_floats(const aicc_node *node, aicc_attr_key key, int *count);
const aicc_dim *aicc_get_dims(const aicc_node *node, aicc_attr_key key, int *count);
aicc_dtype aicc_get_dtype(const aicc_node *node, aicc_attr_key key, aicc_dtype otherwise);
const aicc_tensor *aicc_get_tensor(const aicc_node *node, aicc_attr_key key);

// --- types --------------------------------------------------------------------------------------

aicc_type aicc_type_tensor(aicc_module *module, aicc_dtype dtype, const aicc_dim *dims, int rank);
bool aicc_type_equal(const aicc_type *a, const aicc_type *b);
bool aicc_type_same_shape(const aicc_type *a, const aicc_type *b);  // rank and dims, no more
bool aicc_type_is_single(const aicc_module *module, const aicc_type *type);  // every dim is 1
aicc_dim aicc_type_count(aicc_module *module, const aicc_type *type);  // product of the dims
bool aicc_type_static_shape(const aicc_module *module, const aicc_type *type, int64_t *shape);
char *aicc_type_print(const aicc_module *module, const aicc_type *type, aicc_arena *arena);
// NumPy broadcasting of two dims: false where proven impossible. Symbolic dims that may be 1 at
// run time follow the rule: equal ids -> that; a constant other than 1 wins; two different
// symbols -> max(a, b) (they must be equal or 1 when the model runs).
bool aicc_dim_broadcast(aicc_module *module, aicc_dim a, aicc_dim b, aicc_dim *out);
bool aicc_dims_broadcast(aicc_module *module, const aicc_type *a, const aicc_type *b,
                         aicc_dim *dims, int *rank);

// --- inference, verification, text ---------------------------------------------------------------

// Sets the result types (where the row's rule is not `stated`) and the partial values of a node
// from its operands; emits E02xx where operands do not fit.
AICC_MUST_USE aicc_status aicc_infer(aicc_module *module, aicc_node *node, aicc_diags *diags);
// Elements of results that are known expressions (partial.c). Called by aicc_infer.
void aicc_partial_infer(aicc_module *module, aicc_node *node);

// Every property listed in verify.c's header; reports all violations.
AICC_MUST_USE aicc_status aicc_verify(aicc_module *module, aicc_diags *diags);

void aicc_module_print(const aicc_module *module, FILE *out);
// Parses .air text; |file| is for diagnostics. NULL after errors.
aicc_module *aicc_module_parse(const char *text, size_t size, const char *file, aicc_diags *diags);

#endif
