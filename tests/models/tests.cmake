# The models in the tree and, where ../shared/models is beside the checkout, the corpus.
if(TARGET aicc AND TARGET aicc-run)
  add_test(NAME models/cpu
           COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh ${CMAKE_BINARY_DIR}
                   ${CMAKE_SOURCE_DIR}/tests/models/run.py --build ${CMAKE_BINARY_DIR} --target cpu)
  set_tests_properties(models/cpu PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500 PROCESSORS 2)
endif()
