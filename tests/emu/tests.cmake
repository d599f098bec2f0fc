# The PTX emulator (emu.h): what a program that pretends to be a GPU is linked with.
include(CheckCSourceRuns)
set(emu ${CMAKE_CURRENT_SOURCE_DIR}/emu)
file(GLOB emu_sources CONFIGURE_DEPENDS ${emu}/emu_*.c ${emu}/ptx_*.c)
add_library(aicc_emu STATIC ${emu_sources})
target_include_directories(aicc_emu PUBLIC ${emu})
target_link_libraries(aicc_emu PUBLIC m Threads::Threads)
aicc_warnings(aicc_emu)
# Lanes are rows of vector registers. PTX says where a multiply-add is fused, and registers are read
# as whatever type an instruction has.
target_compile_options(aicc_emu PRIVATE -O3 -ffp-contract=off -fno-strict-aliasing)
check_c_source_runs("int main(void) { return !(__builtin_cpu_supports(\"avx2\") &&
    __builtin_cpu_supports(\"fma\") && __builtin_cpu_supports(\"f16c\")); }" AICC_EMU_AVX2)
if(AICC_EMU_AVX2)
  target_compile_options(aicc_emu PRIVATE -mavx2 -mfma -mf16c)
endif()

include(${emu}/cuda.cmake)
