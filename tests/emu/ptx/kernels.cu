// Kernels as a CUDA C compiler makes them: kernels.ptx is `nvcc -ptx -arch=sm_80 kernels.cu`, committed
// so that the tests need no toolkit. What they compute is known to test_kernels.c.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" {

__global__ void vector_add(const float *a, const float *b, float *c, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    c[i] = a[i] + b[i];
  }
}

// One sum per block: shuffles within warps, shared memory between them.
__global__ void reduce_sum(const float *a, float *sums, int n) {
  __shared__ float parts[32];
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    sum += a[i];
  }
  for (int step = 16; step > 0; step /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, step);
  }
  if (threadIdx.x % 32 == 0) {
    parts[threadIdx.x / 32] = sum;
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? parts[threadIdx.x] : 0.0f;
    for (int step = 16; step > 0; step /= 2) {
      sum += __shfl_down_sync(0xffffffffu, sum, step);
    }
    if (threadIdx.x == 0) {
      sums[blockIdx.x] = sum;
    }
  }
}

// A tree in shared memory: a barrier at each level.
__global__ void reduce_tree(const int *a, int *sums, int n) {
  extern __shared__ int tree[];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  tree[threadIdx.x] = i < n ? a[i] : 0;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      tree[threadIdx.x] += tree[threadIdx.x + half];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = tree[0];
  }
}

__global__ void softmax_rows(const float *a, float *out, int columns) {
  __shared__ float shared[33];
  const float *row = a + (size_t)blockIdx.x * columns;
  float most = -INFINITY;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    most = fmaxf(most, row[i]);
  }
  for (int step = 16; step > 0; step /= 2) {
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step));
  }
  if (threadIdx.x % 32 == 0) {
    shared[threadIdx.x / 32] = most;
  }
  __syncthreads();
  most = shared[0];
  for (unsigned i = 1; i < blockDim.x / 32; ++i) {
    most = fmaxf(most, shared[i]);
  }
  __syncthreads();
  float sum = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    sum += expf(row[i] - most);
  }
  for (int step = 16; step > 0; step /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, step);
  }
  if (threadIdx.x % 32 == 0) {
    shared[threadIdx.x / 32] = sum;
  }
  __syncthreads();
  sum = 0;
  for (unsigned i = 0; i < blockDim.x / 32; ++i) {
    sum += shared[i];
  }
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    out[(size_t)blockIdx.x * columns + i] = expf(row[i] - most) / sum;
  }
}

// m x n x k, all multiples of 16.
__global__ void gemm_tiles(const float *a, const float *b, float *c, int m, int n, int k) {
  __shared__ float left[16][16], right[16][16];
  const int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int at = 0; at < k; at += 16) {
    left[threadIdx.y][threadIdx.x] = a[row * k + at + threadIdx.x];
    right[threadIdx.y][threadIdx.x] = b[(at + threadIdx.y) * n + column];
    __syncthreads();
    for (int i = 0; i < 16; ++i) {
      sum = fmaf(left[threadIdx.y][i], right[i][threadIdx.x], sum);
    }
    __syncthreads();
  }
  c[row * n + column] = sum;
}

static __device__ void copy_16(void *shared, const void *global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   (unsigned)__cvta_generic_to_shared(shared)),
               "l"(global));
}

// C[m, n] = A[m, k] B[n, k]^T of halves, f32 sums. A block of one warp makes 16 x 8; two stages of
// k = 16 are copied while the one before is multiplied.
__global__ void gemm_mma(const __half *a, const __half *b, float *c, int n, int k) {
  __shared__ __align__(16) __half left[2][16][24], right[2][8][24];
  const int lane = threadIdx.x, row = blockIdx.y * 16, column = blockIdx.x * 8;
  const auto load = [&](int stage, int at) {
    copy_16(&left[stage][lane / 2][lane % 2 * 8], a + (row + lane / 2) * k + at + lane % 2 * 8);
    if (lane < 16) {
      copy_16(&right[stage][lane / 2][lane % 2 * 8], b + (column + lane / 2) * k + at + lane % 2 * 8);
    }
    asm volatile("cp.async.commit_group;");
  };
  float d[4] = {0, 0, 0, 0};
  load(0, 0);
  for (int at = 0, stage = 0; at < k; at += 16, stage ^= 1) {
    if (at + 16 < k) {
      load(stage ^ 1, at + 16);
      asm volatile("cp.async.wait_group 1;");
    } else {
      asm volatile("cp.async.wait_group 0;");
    }
    __syncthreads();
    unsigned x[4], y[2];
    const unsigned from_a = (unsigned)__cvta_generic_to_shared(&left[stage][lane % 16][lane / 16 * 8]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(from_a));
    const unsigned from_b = (unsigned)__cvta_generic_to_shared(&right[stage][lane % 8][lane / 8 % 2 * 8]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(y[0]), "=r"(y[1])
                 : "r"(from_b));
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    __syncthreads();
  }
  float *at = c + (row + lane / 4) * n + column + lane % 4 * 2;
  at[0] = d[0];
  at[1] = d[1];
  at[8 * n] = d[2];
  at[8 * n + 1] = d[3];
}

__global__ void histogram(const unsigned char *a, unsigned *bins, int n) {
  __shared__ unsigned local[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    local[i] = 0;
  }
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&local[a[i]], 1u);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    atomicAdd(&bins[i], local[i]);
  }
}

// The last block to finish adds the others' sums: a fence and a counter.
__global__ void reduce_last_block(const float *a, float *parts, unsigned *done, float *sum,
                                  int n) {
  __shared__ bool last;
  float mine = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    mine += a[i];
  }
  for (int step = 16; step > 0; step /= 2) {
    mine += __shfl_xor_sync(0xffffffffu, mine, step);
  }
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = mine;
    __threadfence();
    last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float all = 0;
    for (unsigned i = 0; i < gridDim.x; ++i) {
      all += parts[i];
    }
    *sum = all;
  }
}

__global__ void transpose(const float *a, float *out, int rows, int columns) {
  __shared__ float tile[32][33];
  for (int i = threadIdx.y; i < 32; i += 8) {
    const int row = blockIdx.y * 32 + i, column = blockIdx.x * 32 + threadIdx.x;
    if (row < rows && column < columns) {
      tile[i][threadIdx.x] = a[row * columns + column];
    }
  }
  __syncthreads();
  for (int i = threadIdx.y; i < 32; i += 8) {
    const int row = blockIdx.x * 32 + i, column = blockIdx.y * 32 + threadIdx.x;
    if (row < columns && column < rows) {
      out[row * rows + column] = tile[threadIdx.x][i];
    }
  }
}

static __device__ __noinline__ int steps_to_one(unsigned n) {
  int steps = 0;
  while (n != 1) {
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    ++steps;
  }
  return steps;
}

static __constant__ int offsets[8] = {3, 1, 4, 1, 5, 9, 2, 6};

// Divergent loops, calls, a switch, an array in local memory, a table of constants.
__global__ void mixed_control(const unsigned *a, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) {
    return;
  }
  int digits[10];
  for (int d = 0; d < 10; ++d) {
    digits[d] = d * d;
  }
  int result = steps_to_one(a[i]);
  switch (a[i] % 6) {
    case 0: result += digits[a[i] % 10]; break;
    case 1: result -= offsets[a[i] & 7]; break;
    case 2: result *= 3; break;
    case 3: result ^= 0x55; break;
    case 4: result = result << (a[i] & 3); break;
    default: result = -result; break;
  }
  out[i] = result;
}

// a[i] in several precisions and back.
__global__ void precisions(const float *a, float *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    const __half h = __float2half(a[i]);
    const __nv_bfloat16 b = __float2bfloat16(a[i]);
    out[4 * i] = __half2float(h);
    out[4 * i + 1] = __bfloat162float(b);
    out[4 * i + 2] = __half2float(__hfma(h, h, h));
    out[4 * i + 3] = (float)(signed char)__float2int_rn(fminf(fmaxf(a[i], -128.0f), 127.0f));
  }
}

__global__ void dot_bytes(const int *a, const int *b, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    out[i] = __dp4a(a[i], b[i], i);
  }
}

// Running sums of a block, by shuffles.
__global__ void scan_block(const int *a, int *out, int n) {
  __shared__ int totals[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int sum = threadIdx.x < n ? a[threadIdx.x] : 0;
  for (int step = 1; step < 32; step *= 2) {
    const int other = __shfl_up_sync(0xffffffffu, sum, step);
    sum += lane >= step ? other : 0;
  }
  if (lane == 31) {
    totals[warp] = sum;
  }
  __syncthreads();
  for (int i = 0; i < warp; ++i) {
    sum += totals[i];
  }
  if (threadIdx.x < n) {
    out[threadIdx.x] = sum;
  }
}
}
