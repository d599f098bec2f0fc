# How much memory aicc needs for large weights.
if(TARGET aicc AND TARGET aicc-run)
  add_test(NAME memory/weights
           COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                   ${CMAKE_SOURCE_DIR}/tests/memory/weights.py ${CMAKE_BINARY_DIR})
  set_tests_properties(memory/weights PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300)
endif()
