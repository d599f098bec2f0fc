# Is proto/onnx.proto what the `onnx` package says? Skipped (77) where that package is not installed;
# AICC_PYTHON in the environment names the interpreter that has it.
add_test(NAME proto/descriptors
         COMMAND sh -c "exec \"\${AICC_PYTHON:-python3}\" \"$@\"" sh
                 ${CMAKE_CURRENT_SOURCE_DIR}/proto/compare_descriptors.py
                 ${PROTOC_C} ${CMAKE_SOURCE_DIR}/proto/onnx.proto)
set_tests_properties(proto/descriptors PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
