# What tests/onnx, tests/models and the GPU suite rely on, against programs that misbehave.
foreach(name cases ties gpu_suite)
  add_test(NAME harness/${name}
           COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                   ${CMAKE_SOURCE_DIR}/tests/harness/test_${name}.py)
  set_tests_properties(harness/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
endforeach()
