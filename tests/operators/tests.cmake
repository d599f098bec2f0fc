# Operators without official cases, against NumPy.
if(TARGET aicc AND TARGET aicc-run)
  add_test(NAME operators/cpu
           COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                   ${CMAKE_CURRENT_LIST_DIR}/run.py --build ${CMAKE_BINARY_DIR})
  set_tests_properties(operators/cpu PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600
                       RESOURCE_LOCK operator-cases)
endif()
