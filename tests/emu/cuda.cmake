# libcuda.so.1 over the emulator, and over a device that computes nothing; the tests of both.
file(GLOB cuda_sources CONFIGURE_DEPENDS ${emu}/cuda_*.c)

# emu_driver(NAME FOLDER sources...): build/FOLDER/libcuda.so.1
function(emu_driver name folder)
  add_library(${name} SHARED ${cuda_sources} ${ARGN})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME cuda SOVERSION 1 VERSION 1
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${folder})
  target_link_libraries(${name} PRIVATE Threads::Threads)
  aicc_warnings(${name})
endfunction()

emu_driver(cuda_null emu-null ${emu}/null_device.c)
target_compile_definitions(cuda_null PRIVATE AICC_EMU_NULL)

# emu_driver_test(NAME DRIVER): the driver's own tests over one of the two.
function(emu_driver_test name driver)
  add_executable(${name} ${emu}/test_driver.c)
  target_link_libraries(${name} PRIVATE PkgConfig::CHECK Threads::Threads ${CMAKE_DL_LIBS})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE AICC_EMU_LIBRARY="$<TARGET_FILE:${driver}>")
  aicc_warnings(${name})
  target_compile_options(${name} PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
  add_dependencies(${name} ${driver})
endfunction()
emu_driver_test(emu_test_driver_null cuda_null)
target_compile_definitions(emu_test_driver_null PRIVATE EMU_DRIVER_NULL)
add_test(NAME emu/driver_null COMMAND emu_test_driver_null)

# Our statement of the interface against cuda.h, where a toolkit is installed.
find_path(AICC_CUDA_INCLUDE cuda.h HINTS $ENV{CUDA_PATH}/include /usr/local/cuda/include)
if(AICC_CUDA_INCLUDE)
  add_test(NAME emu/abi COMMAND ${CMAKE_C_COMPILER} -std=c17 -fsyntax-only -D_GNU_SOURCE -Werror
           -Wno-deprecated-declarations -DAICC_EMU_CUDA_H -I${AICC_CUDA_INCLUDE} ${cuda_sources})
endif()

set_target_properties(aicc_emu PROPERTIES POSITION_INDEPENDENT_CODE ON)
emu_driver(cuda_emu emu)
target_link_libraries(cuda_emu PRIVATE aicc_emu)
emu_driver_test(emu_test_driver cuda_emu)
add_test(NAME emu/driver COMMAND emu_test_driver)

# Instructions, one by one, against what the ISA's definitions say.
function(emu_program name source)
  add_executable(${name} ${emu}/${source})
  target_link_libraries(${name} PRIVATE aicc_emu m)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  aicc_warnings(${name})
endfunction()
emu_program(emu_cases test_cases.c)
add_test(NAME emu/instructions COMMAND ${emu}/instructions.sh ${CMAKE_BINARY_DIR}
         $<TARGET_FILE:emu_cases>)
set_tests_properties(emu/instructions PROPERTIES TIMEOUT 120)

# Not a test: bench/emulator.py prints what it measures.
emu_program(emu_bench bench.c)
set_target_properties(emu_bench PROPERTIES EXCLUDE_FROM_ALL ON)

# The same tables run by a GPU: for tests/gpu/run. Here they go through the driver over the emulator.
add_executable(emu_gpu_cases ${emu}/test_cases.c ${emu}/gpu_device.c)
target_link_libraries(emu_gpu_cases PRIVATE ${CMAKE_DL_LIBS})
target_include_directories(emu_gpu_cases PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
aicc_warnings(emu_gpu_cases)
add_dependencies(emu_gpu_cases cuda_emu)
add_test(NAME emu/gpu_cases COMMAND ${emu}/instructions.sh ${CMAKE_BINARY_DIR}
         $<TARGET_FILE:emu_gpu_cases> add.)
set_tests_properties(emu/gpu_cases PROPERTIES TIMEOUT 120 RESOURCE_LOCK emu-cases ENVIRONMENT
                     LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/emu)
set_tests_properties(emu/instructions PROPERTIES RESOURCE_LOCK emu-cases)

foreach(name kernels faults bad_ptx)
  emu_program(emu_test_${name} test_${name}.c)
  target_link_libraries(emu_test_${name} PRIVATE PkgConfig::CHECK)
  target_compile_definitions(emu_test_${name} PRIVATE AICC_EMU_PTX="${emu}/ptx")
  target_compile_options(emu_test_${name} PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
  add_test(NAME emu/${name} COMMAND emu_test_${name})
  set_tests_properties(emu/${name} PROPERTIES TIMEOUT 120)
endforeach()

# What the environment switches on, in a program that finds the driver by LD_LIBRARY_PATH.
add_executable(emu_leaky ${emu}/leaky.c)
target_link_libraries(emu_leaky PRIVATE ${CMAKE_DL_LIBS})
target_include_directories(emu_leaky PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
aicc_warnings(emu_leaky)
add_dependencies(emu_leaky cuda_emu cuda_null)
add_test(NAME emu/settings COMMAND ${emu}/settings.sh $<TARGET_FILE:emu_leaky>
         $<TARGET_FILE_DIR:cuda_emu> $<TARGET_FILE_DIR:cuda_null>)
