# The texts against the programs: links, options, manual pages, the table of operators, commands.
add_test(NAME docs/check
         COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                 ${CMAKE_SOURCE_DIR}/tests/docs/check_docs.py ${CMAKE_BINARY_DIR})
set_tests_properties(docs/check PROPERTIES TIMEOUT 300)
