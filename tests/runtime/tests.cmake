# The runtime on models written by hand: see runtime/demo_model.c.
set(demo ${CMAKE_BINARY_DIR}/demo)
set(rt ${CMAKE_CURRENT_SOURCE_DIR}/runtime)
file(MAKE_DIRECTORY ${demo})

add_executable(seal ${rt}/seal.c)
target_include_directories(seal PRIVATE ${CMAKE_SOURCE_DIR}/runtime/include)
aicc_warnings(seal)

# demo_model(NAME SOURCE FLOATS [WEIGHTS file] [DEFINES ...] [OPTIONS ...]): demo/NAME.so
set(demo_files "")
function(demo_model name source floats)
  cmake_parse_arguments(arg "" "WEIGHTS" "DEFINES;OPTIONS" ${ARGN})
  add_library(demo_${name} MODULE ${rt}/${source})
  set_target_properties(demo_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}.image
                        LIBRARY_OUTPUT_DIRECTORY ${demo})
  target_include_directories(demo_${name} PRIVATE ${CMAKE_SOURCE_DIR}/runtime/include)
  target_compile_definitions(demo_${name} PRIVATE ${arg_DEFINES})
  aicc_warnings(demo_${name})
  target_compile_options(demo_${name} PRIVATE ${arg_OPTIONS})
  set(weights "")
  if(arg_WEIGHTS)
    set(weights ${demo}/${arg_WEIGHTS})
  endif()
  add_custom_command(OUTPUT ${demo}/${name}.so
    COMMAND seal $<TARGET_FILE:demo_${name}> ${demo}/${name}.so ${floats} ${weights}
    DEPENDS seal demo_${name} VERBATIM)
  set(demo_files ${demo_files} ${demo}/${name}.so PARENT_SCOPE)
endfunction()

demo_model(demo demo_model.c 8)
demo_model(demo_beside demo_model.c 8 WEIGHTS demo.weights
           DEFINES DEMO_WEIGHTS_FILE="demo.weights")
demo_model(demo_lost demo_model.c 8 WEIGHTS demo.weights2 DEFINES DEMO_WEIGHTS_FILE="lost.weights")
demo_model(no_symbol demo_model.c 8 DEFINES DEMO_NO_SYMBOL)
demo_model(too_new demo_model.c 8 DEFINES DEMO_TOO_NEW)
demo_model(strange_cpu demo_model.c 8 DEFINES "DEMO_FEATURES=\"sse2\",\"hyperspace\"")
demo_model(add add_model.c 0)
demo_model(big add_model.c 131072000 DEFINES ADD_WEIGHTS_BYTES=524288000)
add_custom_target(demo_models ALL DEPENDS ${demo_files})

# A shared object that was never sealed.
add_custom_command(TARGET demo_models POST_BUILD
  COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:demo_add> ${demo}/plain.so)

foreach(name model session memory plan)
  if(name STREQUAL memory AND AICC_SANITIZE)
    continue()  # the sanitizers replace malloc themselves
  endif()
  add_executable(test_rt_${name} ${rt}/test_${name}.c)
  target_link_libraries(test_rt_${name} PRIVATE aicc_rt PkgConfig::CHECK m)
  target_include_directories(test_rt_${name} PRIVATE ${CMAKE_SOURCE_DIR}
                             ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(test_rt_${name} PRIVATE AICC_DEMO_DIR="${demo}")
  aicc_warnings(test_rt_${name})
  target_compile_options(test_rt_${name} PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
  add_dependencies(test_rt_${name} demo_models)
  add_test(NAME runtime/${name} COMMAND test_rt_${name})
  set_tests_properties(runtime/${name} PROPERTIES TIMEOUT 300)
endforeach()

# Many threads on one model, and the same once more under the thread sanitizer, the runtime and the
# model with it.
add_executable(rt_threads ${rt}/threads.c)
target_link_libraries(rt_threads PRIVATE aicc_rt)
target_compile_definitions(rt_threads PRIVATE AICC_DEMO_DIR="${demo}")
aicc_warnings(rt_threads)
add_dependencies(rt_threads demo_models)
add_test(NAME runtime/threads COMMAND rt_threads)
set_tests_properties(runtime/threads PROPERTIES TIMEOUT 120)

include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -fsanitize=thread)
check_c_source_compiles("int main(void) { return 0; }" AICC_HAVE_TSAN)
unset(CMAKE_REQUIRED_FLAGS)
if(AICC_HAVE_TSAN AND NOT AICC_SANITIZE)
  set(demo_tsan ${CMAKE_BINARY_DIR}/demo_tsan)
  file(MAKE_DIRECTORY ${demo_tsan})
  set(demo ${demo_tsan})
  set(demo_files "")
  add_library(demo_tsan MODULE ${rt}/demo_model.c)
  set_target_properties(demo_tsan PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${demo_tsan})
  target_include_directories(demo_tsan PRIVATE ${CMAKE_SOURCE_DIR}/runtime/include)
  target_compile_options(demo_tsan PRIVATE -fsanitize=thread -g)
  add_custom_command(TARGET demo_tsan POST_BUILD
    COMMAND seal $<TARGET_FILE:demo_tsan> ${demo_tsan}/demo.so 8 VERBATIM)
  add_dependencies(demo_tsan seal)
  file(GLOB rt_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c)
  add_executable(rt_threads_tsan ${rt}/threads.c ${rt_sources})
  set_target_properties(rt_threads_tsan PROPERTIES ENABLE_EXPORTS ON)
  target_include_directories(rt_threads_tsan PRIVATE ${CMAKE_SOURCE_DIR}/runtime/include)
  target_compile_definitions(rt_threads_tsan PRIVATE AICC_DEMO_DIR="${demo_tsan}" _GNU_SOURCE
                             AICC_RT_VERSION_TEXT="${PROJECT_VERSION}")
  target_compile_options(rt_threads_tsan PRIVATE -fsanitize=thread -g)
  target_link_options(rt_threads_tsan PRIVATE -fsanitize=thread)
  target_link_libraries(rt_threads_tsan PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  add_dependencies(rt_threads_tsan demo_tsan)
  add_test(NAME runtime/threads_tsan COMMAND rt_threads_tsan)
  set_tests_properties(runtime/threads_tsan PROPERTIES TIMEOUT 300
                       ENVIRONMENT TSAN_OPTIONS=halt_on_error=1:exitcode=66)
  set(demo ${CMAKE_BINARY_DIR}/demo)
endif()

# The example of the documentation, as an application would build it.
add_executable(embed ${CMAKE_SOURCE_DIR}/runtime/examples/embed.c)
set_target_properties(embed PROPERTIES C_STANDARD 11)
target_link_libraries(embed PRIVATE aicc_rt)
aicc_warnings(embed)
add_dependencies(embed demo_models)
add_test(NAME runtime/embed COMMAND embed ${demo}/add.so)
set_tests_properties(runtime/embed PROPERTIES PASS_REGULAR_EXPRESSION "^z: 2 2 2 2\n$")

if(NOT AICC_SANITIZE)
  add_test(NAME runtime/size COMMAND ${rt}/check_size.sh $<TARGET_FILE:aicc_rt> 200000)
endif()
find_program(AICC_CXX NAMES c++ g++ clang++)
if(AICC_CXX)
  add_test(NAME runtime/header_cxx
           COMMAND ${AICC_CXX} -std=c++11 -fsyntax-only -Wall -Wextra -Wpedantic -Werror
                   -I${CMAKE_SOURCE_DIR}/runtime/include ${rt}/header.cc)
endif()

# Compiled models: no allocation in later runs, small arenas, sixteen threads; once more under the
# thread sanitizer. The models in the tree and, where it is beside the checkout, the corpus.
if(TARGET aicc AND TARGET aicc_tools AND NOT AICC_SANITIZE)
  add_executable(rt_compiled ${rt}/compiled.c)
  target_link_libraries(rt_compiled PRIVATE aicc_tools)
  aicc_warnings(rt_compiled)
  set(compiled_programs $<TARGET_FILE:rt_compiled>)
  if(AICC_HAVE_TSAN)
    add_executable(rt_compiled_tsan ${rt}/compiled.c ${rt_sources})
    set_target_properties(rt_compiled_tsan PROPERTIES ENABLE_EXPORTS ON)
    target_compile_definitions(rt_compiled_tsan PRIVATE RT_COMPILED_TSAN _GNU_SOURCE
                               AICC_RT_VERSION_TEXT="${PROJECT_VERSION}")
    target_compile_options(rt_compiled_tsan PRIVATE -fsanitize=thread -g)
    target_link_options(rt_compiled_tsan PRIVATE -fsanitize=thread)
    target_link_libraries(rt_compiled_tsan PRIVATE aicc_tools Threads::Threads ${CMAKE_DL_LIBS})
    list(APPEND compiled_programs $<TARGET_FILE:rt_compiled_tsan>)
  endif()
  add_test(NAME runtime/compiled COMMAND ${rt}/compiled.sh $<TARGET_FILE:aicc>
           ${CMAKE_BINARY_DIR}/compiled ${CMAKE_SOURCE_DIR} ${compiled_programs})
  set_tests_properties(runtime/compiled PROPERTIES TIMEOUT 600
                       ENVIRONMENT TSAN_OPTIONS=halt_on_error=1:exitcode=66)
endif()

# The CUDA device.
include(${CMAKE_CURRENT_SOURCE_DIR}/cuda/cuda.cmake)
