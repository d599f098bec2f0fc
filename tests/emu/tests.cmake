# ---- libcuda.so.1 over the emulator, and over a device that computes nothing ----
set(emu ${CMAKE_CURRENT_SOURCE_DIR}/emu)
file(GLOB cuda_sources CONFIGURE_DEPENDS ${emu}/cuda_*.c)

# emu_driver(NAME FOLDER sources...): build/FOLDER/libcuda.so.1
function(emu_driver name folder)
  add_library(${name} SHARED ${cuda_sources} ${ARGN})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME cuda SOVERSION 1 VERSION 1
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${folder})
  target_link_libraries(${name} PRIVATE Threads::Threads)
  aicc_warnings(${name})
endfunction()

emu_driver(cuda_null emu-null ${emu}/null_device.c)
target_compile_definitions(cuda_null PRIVATE AICC_EMU_NULL)

# Our statement of the interface against cuda.h, where a toolkit is installed.
find_path(AICC_CUDA_INCLUDE cuda.h HINTS $ENV{CUDA_PATH}/include /usr/local/cuda/include)
if(AICC_CUDA_INCLUDE)
  add_test(NAME emu/abi COMMAND ${CMAKE_C_COMPILER} -std=c17 -fsyntax-only -D_GNU_SOURCE -Werror
           -Wno-deprecated-declarations -DAICC_EMU_CUDA_H -I${AICC_CUDA_INCLUDE} ${cuda_sources})
endif()
