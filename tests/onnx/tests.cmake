# The official ONNX cases through aicc and aicc-run; the script runs two at a time itself.
if(TARGET aicc AND TARGET aicc-run)
  add_test(NAME onnx/cpu
           COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                   ${CMAKE_SOURCE_DIR}/tests/onnx/run.py --build ${CMAKE_BINARY_DIR} --target cpu)
  set_tests_properties(onnx/cpu PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500 PROCESSORS 2
                       RESOURCE_LOCK onnx-cases)
endif()
