# The official ONNX cases through importers and reference interpreter, before and after the passes.
if(TARGET aicc_frontend AND TARGET aicc_passes)
  add_executable(onnx_eval ${CMAKE_CURRENT_LIST_DIR}/onnx_eval.c
                 ${CMAKE_CURRENT_LIST_DIR}/case_data.c)
  target_link_libraries(onnx_eval PRIVATE ${layers} m Threads::Threads)
  target_include_directories(onnx_eval PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  aicc_warnings(onnx_eval)
  add_test(NAME eval/onnx COMMAND ${CMAKE_CURRENT_LIST_DIR}/run.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(eval/onnx PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500
                       RESOURCE_LOCK onnx-cases)
endif()
