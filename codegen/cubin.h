// What a cubin, the ELF file that ptxas makes, says of its kernels. Layer codegen; thread-safe.
#ifndef AICC_CODEGEN_CUBIN_H
#define AICC_CODEGEN_CUBIN_H

#include <stddef.h>
#include <stdint.h>

// 32-bit registers of a thread of the kernel |symbol|; 0 where the file does not hold it, or is
// none.
uint32_t cg_cubin_registers(const void *data, size_t size, const char *symbol);

#endif
