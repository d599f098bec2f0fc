# The comparison that tests/onnx and tests/models rely on, against programs that misbehave.
add_test(NAME harness/cases
         COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                 ${CMAKE_SOURCE_DIR}/tests/harness/test_cases.py)
set_tests_properties(harness/cases PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
