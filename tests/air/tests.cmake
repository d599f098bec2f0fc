# Every tests/air/**/*.air, one Check program.
add_executable(test_air ${CMAKE_CURRENT_LIST_DIR}/test_air.c
               ${CMAKE_CURRENT_LIST_DIR}/eval_compare.c
               ${CMAKE_CURRENT_SOURCE_DIR}/filecheck.c)
target_link_libraries(test_air PRIVATE ${layers} PkgConfig::CHECK m dl Threads::Threads)
target_include_directories(test_air PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
target_compile_definitions(test_air PRIVATE AICC_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
aicc_warnings(test_air)
target_compile_options(test_air PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
add_test(NAME air COMMAND test_air)
set_tests_properties(air PROPERTIES TIMEOUT 300)
