#include "codegen/cg.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Kernels arrive unrolled and vectorised: what is left is promotion of variables, common
// subexpressions, loop invariants and peepholes.
static const char pipeline[] =
    "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,loop-simplify,"
    "lcssa,loop-mssa(licm),gvn,instcombine<no-verify-fixpoint>,simplifycfg,adce)";

static void emit_text(cg *c, const char *kernel, const char *text) {
  const aicc_loc loc = {.node = kernel};
  AICC_EMIT(c->diags, E0501, &loc, text);
  c->failed = true;
}

void cg_fail(cg *c, const kir_kernel *kernel, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  c->failed = true;
  aicc_loc loc = {0};
  if (kernel->origin_count > 0) {
    loc.node = kernel->origins[0].node;
    loc.op = kernel->origins[0].op;
  }
  AICC_EMIT(c->diags, E0502, &loc, kernel->name, c->target->machine.name, text);
}

static void on_diagnostic(LLVMDiagnosticInfoRef info, void *context) {
  if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) {
    return;
  }
  char *text = LLVMGetDiagInfoDescription(info);
  emit_text(context, NULL, text);
  LLVMDisposeMessage(text);
}

static void initialize_target(cg_family family) {
  switch (family) {
    case CG_FAMILY_X86:
      LLVMInitializeX86TargetInfo();
      LLVMInitializeX86Target();
      LLVMInitializeX86TargetMC();
      LLVMInitializeX86AsmPrinter();
      return;
    case CG_FAMILY_NVPTX:
      LLVMInitializeNVPTXTargetInfo();
      LLVMInitializeNVPTXTarget();
      LLVMInitializeNVPTXTargetMC();
      LLVMInitializeNVPTXAsmPrinter();
      return;
    case CG_FAMILY_AMDGPU:
      LLVMInitializeAMDGPUTargetInfo();
      LLVMInitializeAMDGPUTarget();
      LLVMInitializeAMDGPUTargetMC();
      LLVMInitializeAMDGPUAsmPrinter();
      return;
  }
}

static aicc_status open_machine(cg *c, int opt_level) {
  static const LLVMCodeGenOptLevel levels[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                               LLVMCodeGenLevelDefault,
                                               LLVMCodeGenLevelAggressive};
  initialize_target(c->target->family);
  LLVMTargetRef target = NULL;
  char *error = NULL;
  if (LLVMGetTargetFromTriple(c->target->triple, &target, &error)) {
    emit_text(c, NULL, error);
    LLVMDisposeMessage(error);
    return AICC_INTERNAL;
  }
  c->machine = LLVMCreateTargetMachine(target, c->target->triple, c->target->cpu,
                                       c->target->features, levels[opt_level & 3], LLVMRelocPIC,
                                       LLVMCodeModelDefault);
  LLVMSetTarget(c->module, c->target->triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(c->machine);
  LLVMSetModuleDataLayout(c->module, layout);
  LLVMDisposeTargetData(layout);
  if (c->target->family == CG_FAMILY_AMDGPU) {  // code object version 5: older loaders know it too
    static const char flag[] = "amdhsa_code_object_version";
    LLVMAddModuleFlag(c->module, LLVMModuleFlagBehaviorError, flag, sizeof flag - 1,
                      LLVMValueAsMetadata(LLVMConstInt(c->i32, 500, false)));
  }
  return AICC_OK;
}

aicc_status cg_open(cg *c, const cg_target *target, const char *name, int opt_level,
                    aicc_arena *arena, aicc_diags *diags) {
  *c = (cg){.target = target, .arena = arena, .diags = diags, .notes = ""};
  c->context = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(c->context, on_diagnostic, c);
  c->module = LLVMModuleCreateWithNameInContext(name, c->context);
  c->builder = LLVMCreateBuilderInContext(c->context);
  c->i1 = LLVMInt1TypeInContext(c->context);
  c->i8 = LLVMInt8TypeInContext(c->context);
  c->i16 = LLVMInt16TypeInContext(c->context);
  c->i32 = LLVMInt32TypeInContext(c->context);
  c->i64 = LLVMInt64TypeInContext(c->context);
  c->f32 = LLVMFloatTypeInContext(c->context);
  c->f64 = LLVMDoubleTypeInContext(c->context);
  c->ptr = LLVMPointerTypeInContext(c->context, 0);
  c->nothing = LLVMVoidTypeInContext(c->context);
  const aicc_status status = open_machine(c, opt_level);
  if (status != AICC_OK) {
    cg_close(c);
  }
  return status;
}

void cg_close(cg *c) {
  if (c->machine != NULL) {
    LLVMDisposeTargetMachine(c->machine);
  }
  LLVMDisposeBuilder(c->builder);
  LLVMDisposeModule(c->module);
  LLVMContextDispose(c->context);
  *c = (cg){0};
}

aicc_status cg_optimize(cg *c) {
  char *error = NULL;
  const bool invalid = LLVMVerifyModule(c->module, LLVMReturnStatusAction, &error);
  if (invalid) {
    emit_text(c, NULL, error);
  }
  LLVMDisposeMessage(error);
  if (invalid) {
    return AICC_INTERNAL;
  }
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef failure = LLVMRunPasses(c->module, pipeline, c->machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (failure != NULL) {
    char *text = LLVMGetErrorMessage(failure);
    emit_text(c, NULL, text);
    LLVMDisposeErrorMessage(text);
    return AICC_INTERNAL;
  }
  return AICC_OK;
}

aicc_status cg_emit(cg *c, bool assembly, LLVMMemoryBufferRef *out) {
  char *error = NULL;
  *out = NULL;
  // Code generation changes the module: text is made of a copy, so that an object may follow.
  LLVMModuleRef module = assembly ? LLVMCloneModule(c->module) : c->module;
  const bool failed = LLVMTargetMachineEmitToMemoryBuffer(
      c->machine, module, assembly ? LLVMAssemblyFile : LLVMObjectFile, &error, out);
  if (assembly) {
    LLVMDisposeModule(module);
  }
  if (failed) {
    emit_text(c, NULL, error);
    LLVMDisposeMessage(error);
    return AICC_INTERNAL;
  }
  return c->failed ? AICC_INTERNAL : AICC_OK;
}

LLVMValueRef cg_intrinsic(cg *c, const char *name, LLVMTypeRef *types, unsigned type_count,
                          LLVMValueRef *args, unsigned arg_count) {
  const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  AICC_ASSERT(id != 0);
  LLVMValueRef function = LLVMGetIntrinsicDeclaration(c->module, id, types, type_count);
  LLVMTypeRef type = LLVMIntrinsicGetType(c->context, id, types, type_count);
  return LLVMBuildCall2(c->builder, type, function, args, arg_count, "");
}

LLVMValueRef cg_int(cg *c, int64_t value) {
  return LLVMConstInt(c->i64, (unsigned long long)value, true);
}

void cg_add_attribute(cg *c, LLVMValueRef function, unsigned index, const char *name,
                      uint64_t value) {
  const unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  AICC_ASSERT(kind != 0);
  LLVMAddAttributeAtIndex(function, index, LLVMCreateEnumAttribute(c->context, kind, value));
}

void cg_add_string_attribute(cg *c, LLVMValueRef function, const char *name, const char *value) {
  LLVMAddAttributeAtIndex(
      function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
      LLVMCreateStringAttribute(c->context, name, (unsigned)strlen(name), value,
                                (unsigned)strlen(value)));
}

void cg_set_invariant(cg *c, LLVMValueRef load) {
  static const char name[] = "invariant.load";
  const unsigned kind = LLVMGetMDKindIDInContext(c->context, name, sizeof name - 1);
  LLVMMetadataRef node = LLVMMDNodeInContext2(c->context, NULL, 0);
  LLVMSetMetadata(load, kind, LLVMMetadataAsValue(c->context, node));
}

LLVMBasicBlockRef cg_block(cg *c, const char *name) {
  LLVMValueRef function = LLVMGetBasicBlockParent(LLVMGetInsertBlock(c->builder));
  return LLVMAppendBasicBlockInContext(c->context, function, name);
}

void cg_jump(cg *c, LLVMBasicBlockRef to) {
  LLVMBuildBr(c->builder, to);
  LLVMPositionBuilderAtEnd(c->builder, to);
}
