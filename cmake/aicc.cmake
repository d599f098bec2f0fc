# Helpers every folder uses: one static library per layer, one set of warnings for all our code.

function(aicc_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes
    -fno-math-errno -fvisibility=hidden)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  if(AICC_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(AICC_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${AICC_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${AICC_SANITIZE})
    target_compile_definitions(${target} PRIVATE AICC_SANITIZED)
    if(CMAKE_C_COMPILER_ID MATCHES "Clang")
      # It reads in front of a function before a call, and the code of a model begins at a page.
      target_compile_options(${target} PRIVATE -fno-sanitize=function)
    endif()
  endif()
endfunction()

# aicc_layer(NAME deps...): library aicc_NAME from every NAME/*.c; included as "NAME/header.h".
function(aicc_layer name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c)
  if(NOT sources)
    return()
  endif()
  add_library(aicc_${name} STATIC ${sources})
  target_include_directories(aicc_${name} PUBLIC ${CMAKE_SOURCE_DIR}
                             ${CMAKE_SOURCE_DIR}/runtime/include)
  foreach(layer ${ARGN})
    if(TARGET ${layer})  # a layer without sources has no library
      target_link_libraries(aicc_${name} PUBLIC ${layer})
    endif()
  endforeach()
  target_link_libraries(aicc_${name} PUBLIC m Threads::Threads)
  aicc_warnings(aicc_${name})
endfunction()

# Adds the texts of folder/*.kir to a library as one generated C table.
function(aicc_embed_kernels target folder)
  file(GLOB texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.kir)
  set(out ${CMAKE_BINARY_DIR}/kernel_texts.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DFILES=${texts}" -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${texts} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()

function(aicc_subdirectory name)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${name}/CMakeLists.txt)
    add_subdirectory(${name})
  endif()
endfunction()

# LLVM through its own config program: its CMake package wants C++ and libraries we do not use.
function(aicc_link_llvm target)
  execute_process(COMMAND ${LLVM_CONFIG} --includedir OUTPUT_VARIABLE include
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${LLVM_CONFIG} --link-shared --libs OUTPUT_VARIABLE libs
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${LLVM_CONFIG} --libdir OUTPUT_VARIABLE libdir
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  target_include_directories(${target} SYSTEM PUBLIC ${include})
  target_link_directories(${target} PUBLIC ${libdir})
  target_link_libraries(${target} PUBLIC ${libs})
endfunction()
