#include "math/math_jit.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/ExecutionEngine.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct math_jit {
  LLVMContextRef context;
  LLVMExecutionEngineRef engine;
};

// What the loop does with the loaded vectors.
typedef struct loop_body {
  cg_math_fn fn;
  void *callee;  // instead of fn
  int bits;
  unsigned lanes;
} loop_body;

static LLVMTypeRef with_lanes(LLVMTypeRef type, unsigned lanes) {
  return lanes ? LLVMVectorType(type, lanes) : type;
}

static LLVMValueRef emit_body(const cg_math *math, const loop_body *body, LLVMValueRef args[2]) {
  if (!body->callee) {
    return cg_math_emit(math, body->fn, args);
  }
  LLVMTypeRef i64 = LLVMInt64TypeInContext(math->context);
  LLVMTypeRef type = with_lanes(LLVMDoubleTypeInContext(math->context), body->lanes);
  LLVMValueRef address = LLVMConstInt(i64, (uint64_t)(uintptr_t)body->callee, 0);
  LLVMValueRef callee =
      LLVMConstIntToPtr(address, LLVMPointerTypeInContext(math->context, 0));
  LLVMValueRef wide = args[0];
  if (body->bits == 32) {
    wide = LLVMBuildFPExt(math->builder, wide, type, "");
  }
  LLVMTypeRef signature = LLVMFunctionType(type, &type, 1, 0);
  return LLVMBuildCall2(math->builder, signature, callee, &wide, 1, "");
}

static LLVMValueRef element_pointer(const cg_math *math, LLVMTypeRef element, LLVMValueRef base,
                                    LLVMValueRef index) {
  return LLVMBuildGEP2(math->builder, element, base, &index, 1, "");
}

static void emit_loop(const cg_math *math, LLVMValueRef function, const loop_body *body) {
  LLVMBuilderRef b = math->builder;
  LLVMTypeRef i64 = LLVMInt64TypeInContext(math->context);
  LLVMTypeRef f64 = LLVMDoubleTypeInContext(math->context);
  LLVMTypeRef in = body->bits == 64 ? f64 : LLVMFloatTypeInContext(math->context);
  LLVMTypeRef out = body->callee ? f64 : in;
  LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(math->context, function, "entry");
  LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(math->context, function, "loop");
  LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(math->context, function, "done");
  LLVMPositionBuilderAtEnd(b, entry);
  LLVMBuildBr(b, loop);
  LLVMPositionBuilderAtEnd(b, loop);
  LLVMValueRef index = LLVMBuildPhi(b, i64, "i");
  LLVMValueRef args[2];
  for (unsigned k = 0; k < 2; k++) {
    LLVMValueRef pointer = element_pointer(math, in, LLVMGetParam(function, k), index);
    args[k] = LLVMBuildLoad2(b, with_lanes(in, body->lanes), pointer, "");
    LLVMSetAlignment(args[k], 8);
  }
  LLVMValueRef value = emit_body(math, body, args);
  LLVMValueRef to = element_pointer(math, out, LLVMGetParam(function, 2), index);
  LLVMSetAlignment(LLVMBuildStore(b, value, to), 4);
  LLVMValueRef step = LLVMConstInt(i64, body->lanes ? body->lanes : 1, 0);
  LLVMValueRef next = LLVMBuildAdd(b, index, step, "");
  LLVMValueRef more = LLVMBuildICmp(b, LLVMIntSLT, next, LLVMGetParam(function, 3), "");
  LLVMBuildCondBr(b, more, loop, done);
  LLVMAddIncoming(index, (LLVMValueRef[]){LLVMConstInt(i64, 0, 0), next},
                  (LLVMBasicBlockRef[]){entry, loop}, 2);
  LLVMPositionBuilderAtEnd(b, done);
  LLVMBuildRetVoid(b);
}

static void set_host(LLVMContextRef context, LLVMValueRef function) {
  char *cpu = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
  const char *const pairs[][2] = {
      {"target-cpu", cpu}, {"target-features", features}, {"prefer-vector-width", "512"}};
  for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
    LLVMAttributeRef attribute = LLVMCreateStringAttribute(
        context, pairs[i][0], (unsigned)strlen(pairs[i][0]), pairs[i][1],
        (unsigned)strlen(pairs[i][1]));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
  }
  LLVMDisposeMessage(cpu);
  LLVMDisposeMessage(features);
}

static bool compile(math_jit *jit, LLVMModuleRef module, math_loop **out) {
  char *message = NULL;
  if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message)) {
    fprintf(stderr, "invalid module: %s\n", message);
    LLVMDisposeMessage(message);
    LLVMDisposeModule(module);
    return false;
  }
  LLVMDisposeMessage(message);
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMConsumeError(LLVMRunPasses(module, "function(early-cse,instcombine)", NULL, options));
  LLVMDisposePassBuilderOptions(options);
  if (LLVMCreateJITCompilerForModule(&jit->engine, module, 2, &message)) {
    fprintf(stderr, "no JIT: %s\n", message);
    LLVMDisposeMessage(message);
    LLVMDisposeModule(module);
    return false;
  }
  *out = (math_loop *)(uintptr_t)LLVMGetFunctionAddress(jit->engine, "loop");
  return *out != NULL;
}

static math_jit *make(const loop_body *body, math_loop **out) {
  LLVMLinkInMCJIT();
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  math_jit *jit = calloc(1, sizeof(*jit));
  if (!jit) {
    return NULL;
  }
  jit->context = LLVMContextCreate();
  LLVMModuleRef module = LLVMModuleCreateWithNameInContext("math", jit->context);
  LLVMBuilderRef builder = LLVMCreateBuilderInContext(jit->context);
  const cg_math math = {.context = jit->context, .module = module, .builder = builder};
  LLVMTypeRef pointer = LLVMPointerTypeInContext(jit->context, 0);
  LLVMTypeRef params[4] = {pointer, pointer, pointer, LLVMInt64TypeInContext(jit->context)};
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(jit->context), params, 4, 0);
  LLVMValueRef function = LLVMAddFunction(module, "loop", type);
  set_host(jit->context, function);
  emit_loop(&math, function, body);
  LLVMDisposeBuilder(builder);
  if (!compile(jit, module, out)) {
    math_jit_free(jit);
    return NULL;
  }
  return jit;
}

math_jit *math_jit_make(cg_math_fn fn, int bits, unsigned lanes, math_loop **out) {
  return make(&(loop_body){.fn = fn, .bits = bits, .lanes = lanes}, out);
}

math_jit *math_jit_make_call(void *callee, int bits, unsigned lanes, math_loop **out) {
  return make(&(loop_body){.callee = callee, .bits = bits, .lanes = lanes}, out);
}

void math_jit_free(math_jit *jit) {
  if (!jit) {
    return;
  }
  if (jit->engine) {
    LLVMDisposeExecutionEngine(jit->engine);
  }
  LLVMContextDispose(jit->context);
  free(jit);
}
