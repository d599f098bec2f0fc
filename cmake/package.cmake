# cmake --install: the programs, the runtime for embedding (header, library, pkg-config and CMake
# package files) and the manual pages.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(program aicc aicc-opt aicc-run aicc-bench)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(FILES docs/man/${program}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  endif()
endforeach()

if(TARGET aicc_rt)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/aicc-rt)
  file(RELATIVE_PATH AICC_PREFIX_FROM_CONFIG /${package_dir} /)
  configure_file(cmake/aicc-rt.pc.in aicc-rt.pc @ONLY)
  configure_file(cmake/aicc-rt-config.cmake.in aicc-rt-config.cmake @ONLY)
  write_basic_package_version_file(aicc-rt-config-version.cmake COMPATIBILITY SameMajorVersion)
  install(FILES $<TARGET_FILE:aicc_rt> DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME libaicc-rt.a)
  install(DIRECTORY runtime/include/aicc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/aicc-rt.pc
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/aicc-rt-config.cmake
                ${CMAKE_CURRENT_BINARY_DIR}/aicc-rt-config-version.cmake
          DESTINATION ${package_dir})
endif()
