# Tests of the text form: each a Check program of its own.
function(aicc_air_test name)
  add_executable(test_${name} ${ARGN})
  target_link_libraries(test_${name} PRIVATE ${layers} PkgConfig::CHECK m dl Threads::Threads)
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(test_${name} PRIVATE AICC_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  aicc_warnings(test_${name})
  target_compile_options(test_${name} PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

set(air ${CMAKE_CURRENT_LIST_DIR})
# Every tests/air/**/*.air, then the same with damage.
aicc_air_test(air ${air}/test_air.c ${air}/eval_compare.c ${CMAKE_CURRENT_SOURCE_DIR}/filecheck.c)
aicc_air_test(air_mutate ${air}/test_air_mutate.c)
aicc_air_test(filecheck ${air}/test_filecheck.c ${CMAKE_CURRENT_SOURCE_DIR}/filecheck.c)
