# Every kernel of the models as PTX and AMDGCN: see gpu_kernels.c.
set(gpu_codegen ${CMAKE_CURRENT_SOURCE_DIR}/gpu-codegen)
if(TARGET aicc_codegen)
  add_executable(gpu_kernels ${gpu_codegen}/gpu_kernels.c)
  target_link_libraries(gpu_kernels PRIVATE aicc_codegen aicc_passes aicc_frontend aicc_proto aicc_ir
                        m)
  target_include_directories(gpu_kernels PRIVATE ${CMAKE_SOURCE_DIR}
                             ${CMAKE_SOURCE_DIR}/runtime/include)
  aicc_warnings(gpu_kernels)
  set(gpu_models ${CMAKE_SOURCE_DIR}/models)
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
  add_executable(test_attention_emu ${gpu_codegen}/test_attention_emu.c)
  target_link_libraries(test_attention_emu PRIVATE aicc_codegen aicc_passes aicc_ir aicc_emu
                        PkgConfig::CHECK m Threads::Threads)
  target_include_directories(test_attention_emu PRIVATE ${CMAKE_SOURCE_DIR}
                             ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/runtime/include)
  aicc_warnings(test_attention_emu)
  target_compile_options(test_attention_emu PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
  add_test(NAME gpu-codegen/attention_emu COMMAND test_attention_emu)
  set_tests_properties(gpu-codegen/attention_emu PROPERTIES TIMEOUT 600)
  foreach(family nvidia amd)
    add_test(NAME gpu-codegen/${family}
             COMMAND gpu_kernels ${family} --exceptions ${gpu_codegen}/exceptions.txt ${gpu_models})
    set_tests_properties(gpu-codegen/${family} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900
                         PROCESSORS 2)
  endforeach()
endif()
