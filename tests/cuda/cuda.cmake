# The CUDA device of the runtime, over libcuda.so.1 of our own: see host_device.c.
set(cuda_tests ${CMAKE_CURRENT_SOURCE_DIR}/cuda)
emu_driver(cuda_host emu-host ${cuda_tests}/host_device.c)
target_include_directories(cuda_host PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${emu})
target_link_libraries(cuda_host PRIVATE ${CMAKE_DL_LIBS})

# gpu_model.c with its weights: scale, 0.5 to 2.
add_library(gpu_model MODULE ${cuda_tests}/gpu_model.c)
set_target_properties(gpu_model PROPERTIES PREFIX "" OUTPUT_NAME gpu.image
                      LIBRARY_OUTPUT_DIRECTORY ${demo})
target_include_directories(gpu_model PRIVATE ${CMAKE_SOURCE_DIR}/runtime/include)
aicc_warnings(gpu_model)
add_custom_command(TARGET gpu_model POST_BUILD
                   COMMAND seal $<TARGET_FILE:gpu_model> ${demo}/gpu.so 4 VERBATIM)
add_dependencies(gpu_model seal)

set(cuda_environment LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/emu-host)
add_executable(test_cuda ${cuda_tests}/test_cuda.c)
target_link_libraries(test_cuda PRIVATE aicc_rt PkgConfig::CHECK m)
set_target_properties(test_cuda PROPERTIES ENABLE_EXPORTS ON)
target_include_directories(test_cuda PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}
                           ${CMAKE_SOURCE_DIR}/runtime)
target_compile_definitions(test_cuda PRIVATE AICC_GPU_MODEL="${demo}/gpu.so")
aicc_warnings(test_cuda)
target_compile_options(test_cuda PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
add_dependencies(test_cuda gpu_model cuda_host)
add_test(NAME cuda/session COMMAND test_cuda)
set_tests_properties(cuda/session PROPERTIES TIMEOUT 120 ENVIRONMENT
                     "${cuda_environment};AICC_EMU_MEMORY=12M")

# aicc_cuda_threads(NAME OPTIONS...)
function(aicc_cuda_threads name)
  add_executable(${name} ${cuda_tests}/threads.c ${ARGN})
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/runtime/include)
  target_compile_definitions(${name} PRIVATE AICC_GPU_MODEL="${demo}/gpu.so" _GNU_SOURCE
                             AICC_RT_VERSION_TEXT="${PROJECT_VERSION}")
  target_link_libraries(${name} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  add_dependencies(${name} gpu_model cuda_host)
endfunction()

aicc_cuda_threads(cuda_threads)
target_link_libraries(cuda_threads PRIVATE aicc_rt)
add_test(NAME cuda/threads COMMAND cuda_threads)
set_tests_properties(cuda/threads PROPERTIES TIMEOUT 120 FAIL_REGULAR_EXPRESSION "leak: ;emulator: cu"
                     ENVIRONMENT "${cuda_environment};AICC_EMU_LEAKS=1")
if(AICC_HAVE_TSAN AND NOT AICC_SANITIZE)
  aicc_cuda_threads(cuda_threads_tsan ${rt_sources})
  target_compile_options(cuda_threads_tsan PRIVATE -fsanitize=thread -g)
  target_link_options(cuda_threads_tsan PRIVATE -fsanitize=thread)
  add_test(NAME cuda/threads_tsan COMMAND cuda_threads_tsan)
  set_tests_properties(cuda/threads_tsan PROPERTIES TIMEOUT 300 ENVIRONMENT
                       "${cuda_environment};TSAN_OPTIONS=halt_on_error=1:exitcode=66")
endif()

if(TARGET aicc AND TARGET aicc-run)
  add_test(NAME cuda/errors COMMAND ${cuda_tests}/errors.sh $<TARGET_FILE:aicc>
           $<TARGET_FILE:aicc-run> ${CMAKE_BINARY_DIR}/cuda-errors
           ${CMAKE_SOURCE_DIR}/models/external_weights/model.onnx ${CMAKE_BINARY_DIR}/emu-null)
  set_tests_properties(cuda/errors PROPERTIES TIMEOUT 120)
endif()

# Compiled models as emulated PTX, through the same programs, and the official cases. ptxas is left out:
# the emulator executes PTX, and gpu-codegen asks ptxas.
if(TARGET cuda_emu AND TARGET aicc AND TARGET aicc-run)
  function(aicc_emulated name script)
    add_test(NAME ${name}
             COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                     ${CMAKE_SOURCE_DIR}/tests/${script} --build ${CMAKE_BINARY_DIR}
                     --target sm_80 --device cuda ${ARGN})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500 PROCESSORS 2 ENVIRONMENT
                         "LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/emu;AICC_PTXAS=")
  endfunction()
  add_test(NAME cuda/crossing COMMAND ${cuda_tests}/crossing.sh $<TARGET_FILE:aicc>
           $<TARGET_FILE:aicc-run> ${CMAKE_BINARY_DIR}/cuda-crossing ${CMAKE_SOURCE_DIR}/models
           $<TARGET_FILE_DIR:cuda_emu>)
  set_tests_properties(cuda/crossing PROPERTIES TIMEOUT 120)
  aicc_emulated(models/sm_80 models/run.py --slow ${CMAKE_SOURCE_DIR}/tests/models/slow-emulated.txt)
  aicc_emulated(onnx/sm_80 onnx/run.py)
  set_tests_properties(onnx/sm_80 PROPERTIES RESOURCE_LOCK onnx-cases)
  aicc_emulated(operators/sm_80 operators/run.py)
  set_tests_properties(operators/sm_80 PROPERTIES RESOURCE_LOCK operator-cases)
  if(TARGET aicc-bench)
    add_test(NAME gpu-suite/smoke COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gpu/smoke.sh ${CMAKE_BINARY_DIR})
    set_tests_properties(gpu-suite/smoke PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
  endif()
endif()
