# Every kernel of the models as PTX and AMDGCN: see gpu_kernels.c.
set(gpu_codegen ${CMAKE_CURRENT_SOURCE_DIR}/gpu-codegen)
if(TARGET aicc_codegen)
  add_executable(gpu_kernels ${gpu_codegen}/gpu_kernels.c)
  target_link_libraries(gpu_kernels PRIVATE aicc_codegen aicc_passes aicc_frontend aicc_proto aicc_ir
                        m)
  target_include_directories(gpu_kernels PRIVATE ${CMAKE_SOURCE_DIR}
                             ${CMAKE_SOURCE_DIR}/runtime/include)
  aicc_warnings(gpu_kernels)
  set(gpu_models ${CMAKE_SOURCE_DIR}/models ${gpu_codegen}/contract)
  if(DEFINED ENV{AICC_CORPUS})
    list(APPEND gpu_models $ENV{AICC_CORPUS})
  elseif(EXISTS ${CMAKE_SOURCE_DIR}/../shared/models)
    list(APPEND gpu_models ${CMAKE_SOURCE_DIR}/../shared/models)
  endif()
  add_executable(test_block_emu ${gpu_codegen}/test_block_emu.c)
  target_link_libraries(test_block_emu PRIVATE aicc_codegen aicc_ir aicc_emu PkgConfig::CHECK m
                        Threads::Threads)
  target_include_directories(test_block_emu PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  aicc_warnings(test_block_emu)
  target_compile_options(test_block_emu PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
  add_test(NAME gpu-codegen/block_emu COMMAND test_block_emu)
  set_tests_properties(gpu-codegen/block_emu PROPERTIES TIMEOUT 600)
  # emulated(NAME SOURCE): tests that run kernels of plans, as PTX on the emulator.
  function(aicc_emulated_kernels name source)
    add_executable(test_${name} ${source})
    target_link_libraries(test_${name} PRIVATE aicc_codegen aicc_passes aicc_ir aicc_emu
                          PkgConfig::CHECK m Threads::Threads)
    target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests
                               ${CMAKE_SOURCE_DIR}/runtime/include)
    aicc_warnings(test_${name})
    target_compile_options(test_${name} PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
    add_test(NAME gpu-codegen/${name} COMMAND test_${name})
    set_tests_properties(gpu-codegen/${name} PROPERTIES TIMEOUT 900)
  endfunction()
  aicc_emulated_kernels(attention_emu ${gpu_codegen}/test_attention_emu.c)
  # The unit tests of schedules once more: every skeleton, type and edge.
  foreach(name matmul conv memory)
    aicc_emulated_kernels(${name}_emu ${CMAKE_CURRENT_SOURCE_DIR}/unit/test_gpu_${name}.c)
    target_compile_options(test_${name}_emu PRIVATE -DPLAN_RUN_DEVICE=plan_run_on_emulator
                           "SHELL:-include plan_emulator.h")
  endforeach()
  # Every target of NVIDIA's sees every kernel of the corpus, from three texts: sm_75's, sm_80's (LLVM spells
  # moves otherwise from sm_86 on, no more) and sm_100's. Of the models in the tree each sees its own text.
  # AMD's all see everything.
  function(aicc_gpu_codegen_test name family)
    add_test(NAME gpu-codegen/${name}
             COMMAND gpu_kernels ${family} --exceptions ${gpu_codegen}/exceptions.txt ${ARGN})
    set_tests_properties(gpu-codegen/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 5400
                         PROCESSORS 2)
  endfunction()
  aicc_gpu_codegen_test(nvidia nvidia --texts sm_75,sm_80,sm_100 ${gpu_models})
  aicc_gpu_codegen_test(nvidia-targets nvidia --targets sm_86,sm_89,sm_90,sm_90a,sm_100a,sm_120
                        ${CMAKE_SOURCE_DIR}/models)
  aicc_gpu_codegen_test(amd amd ${gpu_models})
endif()
