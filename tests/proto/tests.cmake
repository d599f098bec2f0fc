# Is proto/onnx.proto what the `onnx` package says? Skipped (77) where that package is not installed.
add_test(NAME proto/descriptors
         COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                 ${CMAKE_CURRENT_SOURCE_DIR}/proto/compare_descriptors.py
                 ${PROTOC_C} ${CMAKE_SOURCE_DIR}/proto/onnx.proto)
set_tests_properties(proto/descriptors PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
