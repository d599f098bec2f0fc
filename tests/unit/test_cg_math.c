// Math functions on the GPU targets: every function selects, as f32 and f64, without a call.
// Their values are measured by tests/math.
#include <llvm-c/Analysis.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <stdbool.h>
#include <string.h>

#include "check_main.h"
#include "codegen/cg_math.h"

typedef struct gpu_target {
  const char *triple, *cpu;
  unsigned calling_convention;
  unsigned global_space;
} gpu_target;

static const gpu_target gpus[] = {{"nvptx64-nvidia-cuda", "sm_80", 71, 1},
                           {"amdgcn-amd-amdhsa", "gfx942", 91, 1},
                           {"amdgcn-amd-amdhsa", "gfx1100", 91, 1}};

static void initialise_targets(void) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  LLVMInitializeAMDGPUTargetInfo();
  LLVMInitializeAMDGPUTarget();
  LLVMInitializeAMDGPUTargetMC();
  LLVMInitializeAMDGPUAsmPrinter();
}

static void emit_kernel(const cg_math *math, const gpu_target *gpu, cg_math_fn fn,
                        LLVMTypeRef type) {
  LLVMTypeRef pointer = LLVMPointerTypeInContext(math->context, gpu->global_space);
  LLVMTypeRef params[3] = {pointer, pointer, pointer};
  LLVMTypeRef signature = LLVMFunctionType(LLVMVoidTypeInContext(math->context), params, 3, 0);
  LLVMValueRef function = LLVMAddFunction(math->module, cg_math_table[fn].name, signature);
  LLVMSetFunctionCallConv(function, gpu->calling_convention);
  LLVMPositionBuilderAtEnd(math->builder,
                           LLVMAppendBasicBlockInContext(math->context, function, "entry"));
  LLVMValueRef args[2];
  for (unsigned i = 0; i < 2; i++) {
    args[i] = LLVMBuildLoad2(math->builder, type, LLVMGetParam(function, i), "");
  }
  LLVMBuildStore(math->builder, cg_math_emit(math, fn, args), LLVMGetParam(function, 2));
  LLVMBuildRetVoid(math->builder);
}

// The assembly of all functions for one GPU and type; disposed of by the caller.
static LLVMMemoryBufferRef assemble(const gpu_target *gpu, bool wide) {
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module = LLVMModuleCreateWithNameInContext("math", context);
  LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
  const cg_math math = {.context = context, .module = module, .builder = builder};
  char *message = NULL;
  LLVMTargetRef target;
  ck_assert_int_eq(LLVMGetTargetFromTriple(gpu->triple, &target, &message), 0);
  LLVMTargetMachineRef machine =
      LLVMCreateTargetMachine(target, gpu->triple, gpu->cpu, "", LLVMCodeGenLevelDefault,
                              LLVMRelocPIC, LLVMCodeModelDefault);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  LLVMSetTarget(module, gpu->triple);
  LLVMSetModuleDataLayout(module, layout);
  for (int fn = 0; fn < CG_MATH_COUNT; fn++) {
    LLVMTypeRef type = wide ? LLVMDoubleTypeInContext(context) : LLVMFloatTypeInContext(context);
    emit_kernel(&math, gpu, (cg_math_fn)fn, type);
  }
  ck_assert_int_eq(LLVMVerifyModule(module, LLVMReturnStatusAction, &message), 0);
  LLVMDisposeMessage(message);
  LLVMMemoryBufferRef text = NULL;
  const int failed = LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMAssemblyFile,
                                                         &message, &text);
  ck_assert_int_eq(failed, 0);
  LLVMDisposeBuilder(builder);
  LLVMDisposeTargetData(layout);
  LLVMDisposeTargetMachine(machine);
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  return text;
}

START_TEST(every_function_selects_on_gpus) {
  initialise_targets();
  for (size_t i = 0; i < sizeof(gpus) / sizeof(gpus[0]); i++) {
    for (int wide = 0; wide < 2; wide++) {
      LLVMMemoryBufferRef text = assemble(&gpus[i], wide);
      const char *start = LLVMGetBufferStart(text);
      ck_assert_uint_gt(LLVMGetBufferSize(text), 10000);
      ck_assert_ptr_null(strstr(start, "call.uni"));
      ck_assert_ptr_null(strstr(start, "s_swappc"));
      LLVMDisposeMemoryBuffer(text);
    }
  }
}
END_TEST

START_TEST(table_names_every_function) {
  for (int fn = 0; fn < CG_MATH_COUNT; fn++) {
    ck_assert_int_ge(cg_math_table[fn].arity, 1);
    ck_assert_int_le(cg_math_table[fn].arity, 2);
    ck_assert(cg_math_table[fn].ulp_f32 > 0 && cg_math_table[fn].ulp_f64 > 0);
  }
  ck_assert_str_eq(cg_math_table[CG_MATH_exp].name, "exp");
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("cg_math");
  TCase *t = tcase_create("cg_math");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, every_function_selects_on_gpus);
  tcase_add_test(t, table_names_every_function);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
