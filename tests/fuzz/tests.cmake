# Hostile input. Each target is one function in *_target.c over bytes; libFuzzer drives it where
# AICC_FUZZ is on, and the mutate test runs some thousands of fixed mutations of its seeds always.
set(fuzz_dir ${CMAKE_CURRENT_SOURCE_DIR}/fuzz)

function(aicc_fuzz_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE ${layers} PkgConfig::CHECK m dl Threads::Threads)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  aicc_warnings(${name})
  target_compile_options(${name} PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
endfunction()

aicc_fuzz_program(test_mutate ${fuzz_dir}/mutate.c ${fuzz_dir}/model_target.c
                  ${fuzz_dir}/compile_target.c ${fuzz_dir}/model_seeds.c)
target_compile_definitions(test_mutate PRIVATE AICC_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
add_test(NAME fuzz/mutate COMMAND test_mutate)
set_tests_properties(fuzz/mutate PROPERTIES TIMEOUT ${unit_seconds})

if(AICC_FUZZ)
  # The seeds are files made at build time; what libFuzzer finds on top stays in the build tree.
  aicc_fuzz_program(make_seeds ${fuzz_dir}/make_seeds.c ${fuzz_dir}/model_seeds.c)
  aicc_fuzz_program(fuzz_model ${fuzz_dir}/fuzz_model.c ${fuzz_dir}/model_target.c
                    ${fuzz_dir}/compile_target.c)
  target_link_options(fuzz_model PRIVATE -fsanitize=fuzzer)
  set(seeds ${CMAKE_BINARY_DIR}/fuzz/model)
  add_custom_command(TARGET make_seeds POST_BUILD
                     COMMAND ${CMAKE_COMMAND} -E make_directory ${seeds} ${seeds}-found
                     COMMAND make_seeds ${seeds})
  file(GLOB fuzz_models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/models/*/model.onnx)
  list(TRANSFORM fuzz_models REPLACE "/model.onnx$" "")
  set(AICC_FUZZ_SECONDS 60 CACHE STRING "Time each fuzz target runs as a test")
  add_test(NAME fuzz/model
           COMMAND fuzz_model -max_total_time=${AICC_FUZZ_SECONDS} -max_len=49152
                   -rss_limit_mb=2048 -timeout=10 -print_final_stats=1
                   -artifact_prefix=${CMAKE_BINARY_DIR}/fuzz/ ${seeds}-found ${seeds}
                   ${fuzz_models})
  math(EXPR limit "${AICC_FUZZ_SECONDS} + 120")
  set_tests_properties(fuzz/model PROPERTIES TIMEOUT ${limit})
endif()

# A build of its own with the sanitizers, and what meets foreign data run in it: minutes on 2 cores
# the first time, so it is asked for: cmake -DAICC_SLOW_TESTS=ON. Not inside such a build itself.
option(AICC_SLOW_TESTS "Tests of many minutes: the sanitizer build" OFF)
if(AICC_SLOW_TESTS AND NOT AICC_SANITIZE)
  add_test(NAME sanitize/all
           COMMAND ${CMAKE_SOURCE_DIR}/tests/sanitize.sh ${CMAKE_BINARY_DIR}/sanitize)
  set_tests_properties(sanitize/all PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1700 LABELS slow
                       PROCESSORS 2 ENVIRONMENT "AICC_ONNX_CASES=${CMAKE_BINARY_DIR}/onnx-cases")
endif()
