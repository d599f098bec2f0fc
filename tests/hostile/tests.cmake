# Wrong models and wrong places through aicc as a program.
add_test(NAME hostile/models
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/python.sh ${CMAKE_BINARY_DIR}
                 ${CMAKE_CURRENT_SOURCE_DIR}/hostile/hostile.py ${CMAKE_BINARY_DIR})
set_tests_properties(hostile/models PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)
