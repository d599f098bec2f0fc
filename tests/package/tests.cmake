# The installed runtime, used by an application through pkg-config and through CMake.
if(TARGET aicc_rt)
  add_test(NAME package/install COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/package/install.sh
                                        ${CMAKE_BINARY_DIR})
  set_tests_properties(package/install PROPERTIES TIMEOUT 120)
endif()
