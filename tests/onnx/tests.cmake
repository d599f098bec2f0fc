# The official ONNX cases through aicc and aicc-run; the script runs two at a time itself.
if(TARGET aicc AND TARGET aicc-run)
  add_test(NAME onnx/cpu
           COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                   ${CMAKE_SOURCE_DIR}/tests/onnx/run.py --build ${CMAKE_BINARY_DIR} --target cpu)
  set_tests_properties(onnx/cpu PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500 PROCESSORS 2)
endif()

# The same cases through the importers and the reference interpreter alone: `eval_cases FOLDER`.
add_executable(eval_cases ${CMAKE_CURRENT_LIST_DIR}/eval_cases.c)
target_link_libraries(eval_cases PRIVATE ${layers})
aicc_warnings(eval_cases)
