// ONNX -> graph IR: the walk over a model, and what the importer of one operator may use.
//
// A model is imported node by node, in an order in which values are defined before they are used. A
// node whose operator, attribute or types aicc cannot handle is reported; its outputs become
// poison, and nodes that read poison are skipped after a look at their operator, so that one run
// lists everything a model needs that is missing.
//
// An importer is a function import_NAME (ops/*.def names it in its rows):
//
//   aicc_status import_unary(aicc_importer *im, const aicc_onnx_node *n, int payload) {
//     return aicc_set_out(im, n, 0, aicc_b_unary(&im->b, payload, aicc_in(n, 0)));
//   }
//
// It need not check the numbers of inputs and outputs (the row does), nor results of the builder
// (aicc_set_out does). Every attribute it asks for counts as handled; one that it did not ask for
// is an error. Thread-compatible.
#ifndef AICC_FRONTEND_ONNX_IMPORT_H
#define AICC_FRONTEND_ONNX_IMPORT_H

#include "frontend/onnx_file.h"
#include "ir/build.h"

// --- entry ---------------------------------------------------------------------------------------

// --dim NAME=8: every dimension NAME of the inputs is 8.
typedef struct aicc_import_dim {
  const char *name;
  int64_t value;
} aicc_import_dim;

// --shapes x:1x3x224x224. A size of -1 leaves that dimension as the model has it. Where the model
// names the dimension, the name gets that value everywhere.
typedef struct aicc_import_shape {
  const char *input;
  const int64_t *sizes;
  int rank;
} aicc_import_shape;

typedef struct aicc_import_options {
  const aicc_import_dim *dims;
  int dim_count;
  const aicc_import_shape *shapes;
  int shape_count;
} aicc_import_options;

// Imports an open model. |options| may be NULL. On success *out is the caller's to destroy; it does
// not refer to |file|, which may be closed. Initialisers are constants, also where the file lists
// them among the inputs. Declared shapes of values and outputs are not trusted, but inferred.
AICC_MUST_USE aicc_status aicc_import(aicc_onnx_file *file, const aicc_import_options *options,
                                      aicc_diags *diags, aicc_module **out);
// Opens the file, imports, closes it.
AICC_MUST_USE aicc_status aicc_import_path(const char *path, const aicc_import_options *options,
                                           aicc_diags *diags, aicc_module **out);

// --list-ops: every operator and the versions of it that are imported, one row a line.
void aicc_list_ops(FILE *out);
// --list-ops --markdown: a table for each domain, one line an operator (docs/operators.md).
void aicc_list_ops_markdown(FILE *out);

// --- importers of operators ----------------------------------------------------------------------

typedef struct aicc_scope aicc_scope;  // the names one graph sees

struct aicc_split;

typedef struct aicc_importer {
  aicc_builder b;  // appends to the graph at hand; its location and origins are the node's
  aicc_module *module;
  aicc_dims *dims;  // module's
  aicc_diags *diags;
  aicc_onnx_file *file;
  const aicc_import_options *options;
  aicc_arena scratch;  // for the time of the import
  const Onnx__ModelProto *model;
  aicc_status status;  // worst so far
  struct aicc_split *split;  // left by an If for the walk of its graph (import_if.c)
  int splits;                // that the walk is in
  bool may_split;            // for the next call of aicc_import_inline
} aicc_importer;

// One node of the model. Lists are without trailing omitted entries.
typedef struct aicc_onnx_node {
  const Onnx__NodeProto *proto;
  const char *name;    // "#12" where it has none
  const char *domain;  // "" for the standard operators
  const char *type;    // "Conv"
  int opset;           // version of the domain's operator set
  int index;           // position in its graph
  int in_count, out_count;
  aicc_value **in;     // NULL: left out
  aicc_value **out;    // what aicc_set_out gave
  bool *used;          // attributes that were asked for, in the order of |proto|
  bool *failed;        // an attribute was of a wrong type (reported)
  aicc_importer *im;
  aicc_scope *scope;
} aicc_onnx_node;

// Input |i|, NULL where it is left out.
static inline aicc_value *aicc_in(const aicc_onnx_node *n, int i) {
  return i < n->in_count ? n->in[i] : NULL;
}
// True if someone may read output |i|.
bool aicc_wants_out(const aicc_onnx_node *n, int i);
// States output |i|. A NULL value gives AICC_INVALID: the builder has reported why. Output names
// that the node leaves out are ignored.
AICC_MUST_USE aicc_status aicc_set_out(aicc_importer *im, const aicc_onnx_node *n, int i,
                                       aicc_value *value);

// Reports at the node and returns AICC_UNSUPPORTED (right, but not by aicc) or AICC_INVALID (wrong
// by the standard). A full sentence without a period: "dilations with auto_pad".
AICC_MUST_USE aicc_status aicc_unsupported(aicc_importer *im, const aicc_onnx_node *n,
                                           const char *format, ...) AICC_PRINTF(3, 4);
AICC_MUST_USE aicc_status aicc_invalid(aicc_importer *im, const aicc_onnx_node *n,
                                       const char *format, ...) AICC_PRINTF(3, 4);

// The run fails with |text|, which the module keeps, where |condition| (one bool) is false.
void aicc_demand(aicc_importer *im, aicc_value *condition, const char *text);

// --- attributes: marked as handled; a wrong type is reported and fails the node ------------------
// Lists are NULL where they are absent.

bool aicc_onnx_has(const aicc_onnx_node *n, const char *name);  // also marks it
int64_t aicc_onnx_int(const aicc_onnx_node *n, const char *name, int64_t otherwise);
float aicc_onnx_float(const aicc_onnx_node *n, const char *name, float otherwise);
const char *aicc_onnx_string(const aicc_onnx_node *n, const char *name, const char *otherwise);
const int64_t *aicc_onnx_ints(const aicc_onnx_node *n, const char *name, int *count);
const float *aicc_onnx_floats(const aicc_onnx_node *n, const char *name, int *count);
const char *const *aicc_onnx_strings(const aicc_onnx_node *n, const char *name, int *count);
const Onnx__GraphProto *aicc_onnx_graph(const aicc_onnx_node *n, const char *name);
const Onnx__TypeProto *aicc_onnx_type(const aicc_onnx_node *n, const char *name);
// A tensor (also a sparse one) attribute; *present tells an absent one from a malformed one.
const aicc_tensor *aicc_onnx_tensor_attr(const aicc_onnx_node *n, const char *name, bool *present);
const Onnx__AttributeProto *aicc_onnx_attr(const aicc_onnx_node *n, const char *name);

// --- helpers that many importers need ------------------------------------------------------------

// |axis| counted from the start; AICC_INVALID (reported) where it is not in [-rank, rank).
AICC_MUST_USE aicc_status aicc_axis(aicc_importer *im, const aicc_onnx_node *n, int64_t axis,
                                    int rank, int *out);
// Many of them; AICC_INVALID also where one is named twice. |out| has room for |count|.
AICC_MUST_USE aicc_status aicc_axes(aicc_importer *im, const aicc_onnx_node *n,
                                    const int64_t *axes, int count, int rank, int64_t *out);
// The elements of integer input |i| where all are known at compile time; else AICC_UNSUPPORTED
// (reported, with |what| in the message). An absent input gives *out NULL.
AICC_MUST_USE aicc_status aicc_in_ints(aicc_importer *im, const aicc_onnx_node *n, int i,
                                       const char *what, const int64_t **out, int *count);
// True if aicc_in_ints would succeed.
bool aicc_in_known(const aicc_importer *im, const aicc_onnx_node *n, int i);
// The elements of integer input |i| as expressions (see aicc_b_as_dims).
AICC_MUST_USE aicc_status aicc_in_dims(aicc_importer *im, const aicc_onnx_node *n, int i,
                                       const aicc_dim **out, int *count);
// What |x| holds where it is a constant, or small and computed from constants alone
// (import_known.c); NULL: it is not known. The module's.
const aicc_tensor *aicc_known_tensor(aicc_importer *im, aicc_value *x);
// The one element of numeric input |i|. False: absent, not known, or not one element.
bool aicc_in_number(aicc_importer *im, const aicc_onnx_node *n, int i, double *out);

// A constant of the module from a tensor of the model. AICC_INVALID etc. after reporting at |n|.
AICC_MUST_USE aicc_status aicc_import_tensor(aicc_importer *im, const Onnx__TensorProto *proto,
                                             aicc_tensor *out);
// Unknown dimensions become fresh symbols; in sequences and optionals, whose elements differ in
// them, the symbol `any`, which has no value.
#define AICC_DIM_ANY "any"
AICC_MUST_USE aicc_status aicc_import_type(aicc_importer *im, const Onnx__TypeProto *proto,
                                           aicc_type *out);

// A graph attribute as a fresh region: its parameters have the given types and stand for the
// graph's inputs; its results are the graph's outputs. It sees the names around the node. NULL
// after reporting. The caller attaches it to a node (aicc_node_add_region) or drops it, e.g. to
// import it once more with other types.
aicc_region *aicc_import_subgraph(aicc_importer *im, const aicc_onnx_node *n,
                                  const Onnx__GraphProto *graph, const aicc_type *param_types,
                                  int param_count);
// The same without a region: the graph's nodes are appended where the builder stands, |inputs|
// stand for its inputs, and |results| (one per output of the graph) receives its outputs.
AICC_MUST_USE aicc_status aicc_import_inline(aicc_importer *im, const aicc_onnx_node *n,
                                             const Onnx__GraphProto *graph,
                                             aicc_value *const *inputs, int input_count,
                                             aicc_value **results);

// --- the table -----------------------------------------------------------------------------------

typedef enum aicc_onnx_domain {
  AICC_DOMAIN_AI_ONNX, AICC_DOMAIN_AI_ONNX_ML, AICC_DOMAIN_MS, AICC_DOMAIN_TRAINING,
  AICC_DOMAIN_PREVIEW,
  AICC_DOMAIN_COUNT
} aicc_onnx_domain;

typedef aicc_status (*aicc_import_fn)(aicc_importer *im, const aicc_onnx_node *n, int payload);

typedef struct aicc_onnx_op {
  aicc_onnx_domain domain;
  const char *type;
  int since, until;                              // versions of the operator set, both inclusive
  int in_least, in_most, out_least, out_most;    // -1: any number
  aicc_import_fn import;
  int payload;
} aicc_onnx_op;

// "", "com.microsoft", ...
const char *aicc_onnx_domain_name(aicc_onnx_domain domain);
bool aicc_onnx_domain_from_name(const char *name, aicc_onnx_domain *out);
// NULL where there is none; *known then tells whether other versions of the operator are there.
const aicc_onnx_op *aicc_onnx_op_find(aicc_onnx_domain domain, const char *type, int opset,
                                      bool *known);
const aicc_onnx_op *aicc_onnx_op_table(int *count);

// Payloads of the Reduce family; up to PROD they are one operator of the graph.
typedef enum aicc_import_reduction {
  AICC_IMPORT_SUM, AICC_IMPORT_MAX, AICC_IMPORT_MIN, AICC_IMPORT_PROD, AICC_IMPORT_MEAN,
  AICC_IMPORT_L1, AICC_IMPORT_L2, AICC_IMPORT_SUM_SQUARE, AICC_IMPORT_LOG_SUM,
  AICC_IMPORT_LOG_SUM_EXP,
} aicc_import_reduction;

#define ONNX_OP(domain, type, since, until, in_least, in_most, out_least, out_most, importer, \
                payload)                                                                       \
  aicc_status import_##importer(aicc_importer *im, const aicc_onnx_node *n, int payload_);
#include "frontend/onnx_ops.def"
#undef ONNX_OP

#endif
