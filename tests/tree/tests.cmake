# Rules of CONTRIBUTING.md that a program can check.
add_test(NAME tree/check
         COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                 ${CMAKE_SOURCE_DIR}/tests/tree/check_tree.py)
set_tests_properties(tree/check PROPERTIES TIMEOUT 60)
