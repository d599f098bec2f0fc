# The accuracy of aicc's math functions: one ctest per row of math_ops.def, label math.
if(TARGET aicc_codegen)
  set(math_dir ${CMAKE_CURRENT_LIST_DIR})
  add_executable(math_accuracy ${math_dir}/math_accuracy.c ${math_dir}/math_jit.c
                 ${math_dir}/math_reference.c)
  target_link_libraries(math_accuracy PRIVATE aicc_codegen m dl)
  target_include_directories(math_accuracy PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  aicc_warnings(math_accuracy)
  # Lets the comparing loops become vector code; they raise no exceptions that anyone reads.
  target_compile_options(math_accuracy PRIVATE -O3 -fno-trapping-math)
  file(STRINGS ${CMAKE_SOURCE_DIR}/codegen/math_ops.def math_rows REGEX "^CG_MATH_OP")
  foreach(row ${math_rows})
    string(REGEX REPLACE "^CG_MATH_OP\\(([a-z0-9]+),.*" "\\1" name "${row}")
    add_test(NAME math/${name} COMMAND math_accuracy ${name})
    set_tests_properties(math/${name} PROPERTIES LABELS math TIMEOUT 300)
  endforeach()
endif()
