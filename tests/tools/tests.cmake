# What the tools share, and the tools as programs on the model of runtime/demo_model.c.
set(tools ${CMAKE_CURRENT_SOURCE_DIR}/tools)
add_executable(test_tools ${tools}/test_tools.c)
target_link_libraries(test_tools PRIVATE aicc_tools PkgConfig::CHECK m)
target_include_directories(test_tools PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
aicc_warnings(test_tools)
target_compile_options(test_tools PRIVATE -Wno-gnu-zero-variadic-macro-arguments)
add_test(NAME tools/shared COMMAND test_tools)
set_tests_properties(tools/shared PROPERTIES TIMEOUT 120)

add_test(NAME tools/programs
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/python.sh ${CMAKE_BINARY_DIR} ${tools}/run_tools.py
                 ${CMAKE_BINARY_DIR})
set_tests_properties(tools/programs PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)

if(TARGET aicc AND TARGET aicc-run)
  add_test(NAME tools/targets
           COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/python.sh ${CMAKE_BINARY_DIR} ${tools}/run_targets.py
                   ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/models)
  set_tests_properties(tools/targets PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endif()
