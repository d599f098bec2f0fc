// What the parts of the import walk share with each other, and importers of operators do not see.
#ifndef AICC_FRONTEND_IMPORT_INTERNAL_H
#define AICC_FRONTEND_IMPORT_INTERNAL_H

#include "ir/names.h"
#include "frontend/onnx_import.h"

enum { AICC_IMPORT_DEPTH_MAX = 64 };  // graphs in graphs and functions in functions

// The body of the model, or one call of a model-local function: what decides the meaning of a node.
typedef struct aicc_frame {
  const struct aicc_frame *caller;       // NULL: the model
  const Onnx__FunctionProto *function;   // NULL: the model
  Onnx__OperatorSetIdProto *const *opsets;
  size_t opset_count;
  const char *path;                      // put before names of nodes: "" or "call/"
  // Attributes of the call, in the order of function->attribute, then attribute_proto; NULL:
  // absent.
  const Onnx__AttributeProto **attrs;
} aicc_frame;

struct aicc_scope {
  aicc_scope *parent;        // NULL: the model's graph, or a function's body
  const aicc_frame *frame;
  aicc_names names;          // -> aicc_binding
  aicc_region *region;
  aicc_node *last_const;     // of the initialisers made so far; they stand first in the region
  const char *prefix;        // put before names of unnamed nodes
  int depth;
  bool may_split;            // who inlines the graph takes im->split over from it
};

typedef struct aicc_binding {
  aicc_value *value;  // NULL: not made yet, or poison
  bool poison;        // its node failed; the reason was reported
  const Onnx__TensorProto *tensor;        // an initialiser, made at first use
  const Onnx__SparseTensorProto *sparse;
} aicc_binding;

// True for NULL and "": an absent string of the file.
static inline bool aicc_is_empty(const char *text) { return !text || !*text; }

// Notes a failure; the worst one is the result of the import.
void aicc_import_fail(aicc_importer *im, aicc_status status);
// Where the walk stands, for messages. Valid until the next node.
const aicc_loc *aicc_import_loc(aicc_importer *im);

// onnx_order.c: indices of |nodes| so that definitions come before uses, in *out (scratch). The
// order of the file is kept where it is right. AICC_INVALID after reporting a cycle. Names that
// |scope| has already are not looked for among the nodes.
AICC_MUST_USE aicc_status aicc_import_order(aicc_importer *im, const aicc_scope *scope,
                                            Onnx__NodeProto *const *nodes, size_t count,
                                            const size_t **out);

// onnx_scope.c
aicc_scope *aicc_scope_create(aicc_importer *im, aicc_scope *parent, const aicc_frame *frame,
                              aicc_region *region);
// Defines |name|; E0333 where the scope has it already.
void aicc_scope_bind(aicc_importer *im, aicc_scope *scope, const char *name, aicc_binding binding);
void aicc_scope_bind_initializers(aicc_importer *im, aicc_scope *scope,
                                  const Onnx__GraphProto *graph);
typedef enum aicc_found { AICC_FOUND, AICC_FOUND_POISON, AICC_FOUND_NOTHING } aicc_found;
// The value of |name| as seen from |scope|; makes the constant of an initialiser.
aicc_found aicc_scope_find(aicc_importer *im, aicc_scope *scope, const char *name,
                           aicc_value **out);

// onnx_inputs.c: adds the model's inputs to the module's body and binds them.
void aicc_import_inputs(aicc_importer *im, aicc_scope *scope, const Onnx__GraphProto *graph);

// onnx_function.c
const Onnx__FunctionProto *aicc_function_find(const aicc_importer *im, const char *domain,
                                              const Onnx__NodeProto *node);
AICC_MUST_USE aicc_status aicc_function_call(aicc_importer *im, const aicc_onnx_node *n,
                                             const Onnx__FunctionProto *function);
// True if |name| is an input of the function whose body |frame| is.
bool aicc_function_has_input(const aicc_frame *frame, const char *name);
// The attribute that |attr| of a node in |frame| stands for; NULL: absent in the call.
const Onnx__AttributeProto *aicc_frame_resolve(const aicc_frame *frame,
                                               const Onnx__AttributeProto *attr);

// The nodes of a graph or function, and the names that it yields.
typedef struct aicc_node_list {
  Onnx__NodeProto *const *nodes;
  const size_t *order;  // of count
  size_t count;
  const char *const *outputs;
  size_t output_count;
} aicc_node_list;

// onnx_import.c: imports nodes into the scope's region, all of them, whatever fails.
void aicc_import_nodes(aicc_importer *im, aicc_scope *scope, Onnx__NodeProto *const *nodes,
                       size_t count, const char *const *outputs, size_t output_count);
// The same from number |from| of the order on.
void aicc_import_list(aicc_importer *im, aicc_scope *scope, const aicc_node_list *list,
                      size_t from);

// import_if.c: an If whose branches differ in rank, finished together with what comes behind it.
typedef struct aicc_split {
  aicc_onnx_node n;
  aicc_builder at;  // where the node goes
  aicc_value *condition;
  aicc_region *regions[2];  // then, else; results are the node's
} aicc_split;
// Imports the rest of |list| into both branches of im->split, and binds the outputs in |scope|;
// where those differ in rank too and the scope may split, leaves im->split set for the graph around
// it.
void aicc_import_split(aicc_importer *im, aicc_scope *scope, const aicc_node_list *list,
                       size_t from);

// onnx_attr.c: a tensor of the model as a constant whose bytes the module keeps.
AICC_MUST_USE aicc_status aicc_import_sparse(aicc_importer *im,
                                             const Onnx__SparseTensorProto *proto,
                                             aicc_tensor *out);

#endif
