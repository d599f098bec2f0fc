// What the sessions of a model share in a context: code and weights.
#include <string.h>

#include "dev_cuda.h"

enum {
  BLOCKS_PER_PLACE = 4,  // blocks launched for each that fits the device: evens out the last ones
  SCRATCH_MOST = 256 << 20,  // bytes, as long as each processor has a block
};

// ---- kernels -----------------------------------------------------------------------------------

static aicc_rt_status allow_shared(aicc_rt_device *device, const aicc_abi_kernel *kernel,
                                   cu_function function, aicc_rt_error *error) {
  const uint64_t wanted = (uint64_t)kernel->shared_bytes + kernel->dynamic_shared_bytes;
  if (wanted > (uint64_t)device->shared_limit) {
    return aicc_rt_fail(error, AICC_RT_UNAVAILABLE,
                        "%s: kernel '%s' needs %llu bytes of shared memory, the device has %d. "
                        "Compile the model for sm_%d", device->name, kernel->name,
                        (unsigned long long)wanted, device->shared_limit, device->capability);
  }
  if (kernel->dynamic_shared_bytes == 0) {
    return AICC_RT_OK;
  }
  const cu_result result = device->cuda->function_set(function, CU_FUNCTION_MAX_DYNAMIC_SHARED,
                                                      (int)kernel->dynamic_shared_bytes);
  return result == CU_OK ? AICC_RT_OK
                         : aicc_cuda_fail(device, result, "asking for shared memory", error);
}

static uint32_t limit_blocks(uint64_t blocks, uint64_t scratch_per_block, uint32_t processors) {
  if (scratch_per_block > 0 && blocks * scratch_per_block > SCRATCH_MOST) {
    const uint64_t fit = SCRATCH_MOST / scratch_per_block;
    blocks = fit > processors ? fit : processors;
  }
  return blocks < 1 ? 1 : (uint32_t)blocks;
}

static aicc_rt_status describe_kernel(aicc_rt_device *device, const aicc_abi_kernel *kernel,
                                      aicc_cuda_program *program, aicc_cuda_kernel *out,
                                      aicc_rt_error *error) {
  const uint32_t width = device->plan.width;
  if (kernel->block_threads == 0 || width == 0 || kernel->block_threads % width != 0 ||
      kernel->arg_bytes % 8 != 0 || kernel->arg_bytes + 24 > AICC_CUDA_ARGS_MAX) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL,
                        "%s: kernel '%s' has %u bytes of arguments and blocks of %u threads, which "
                        "no device takes", device->model->path, kernel->name, kernel->arg_bytes,
                        kernel->block_threads);
  }
  const aicc_rt_status status = allow_shared(device, kernel, out->function, error);
  if (status != AICC_RT_OK) {
    return status;
  }
  int resident = 0;
  const cu_result result = device->cuda->function_blocks(
      &resident, out->function, (int)kernel->block_threads, kernel->dynamic_shared_bytes);
  if (result != CU_OK || resident < 1) {
    return aicc_cuda_fail(device, result != CU_OK ? result : 701, "fitting a kernel's blocks",
                          error);
  }
  out->block_threads = kernel->block_threads;
  out->dynamic_shared = kernel->dynamic_shared_bytes;
  out->arg_bytes = kernel->arg_bytes;
  out->block_workers = kernel->task_warps == 1 ? kernel->block_threads / width : 1;
  const uint64_t scratch = (uint64_t)out->block_workers * kernel->scratch_bytes;
  const uint32_t processors = (uint32_t)device->processors;
  out->most_blocks = limit_blocks((uint64_t)(uint32_t)resident * processors *
                                      (scratch > 0 ? 1 : BLOCKS_PER_PLACE),
                                  scratch, processors);
  const uint64_t all = scratch * out->most_blocks;
  program->scratch_bytes = all > program->scratch_bytes ? all : program->scratch_bytes;
  return AICC_RT_OK;
}

// ---- weights -----------------------------------------------------------------------------------

static aicc_rt_status upload_weights(aicc_rt_device *device, aicc_cuda_program *program,
                                     aicc_rt_error *error) {
  const uint64_t begin = aicc_cuda_weights_begin(&device->plan);
  const uint64_t bytes = device->plan.weights_end - begin;
  if (bytes == 0) {
    return AICC_RT_OK;
  }
  const aicc_rt_cuda *cuda = device->cuda;
  if (cuda->memory_alloc(&program->weights, (size_t)bytes) != CU_OK) {
    return aicc_rt_device_cuda.no_memory(device, "the model's weights", (int64_t)bytes, error);
  }
  program->weights_bytes = bytes;
  cu_result result = cuda->upload(program->weights, device->model->weights + begin, (size_t)bytes,
                                  device->stream);
  result = result == CU_OK ? cuda->stream_wait(device->stream) : result;
  return result == CU_OK ? AICC_RT_OK
                         : aicc_cuda_fail(device, result, "uploading the weights", error);
}

// ---- programs ----------------------------------------------------------------------------------

static void unload(aicc_rt_device *device, aicc_cuda_program *program) {
  const aicc_rt_cuda *cuda = device->cuda;
  const aicc_rt_allocator *allocator = &device->model->allocator;
  for (uint32_t i = 0; i < program->module_count; i++) {
    (void)cuda->module_unload(program->modules[i]);
  }
  if (program->pack_module != NULL) {
    (void)cuda->module_unload(program->pack_module);
  }
  if (program->weights != 0) {
    (void)cuda->memory_free(program->weights);
  }
  for (aicc_cuda_strings *strings = program->strings; strings != NULL;) {
    aicc_cuda_strings *next = strings->next;
    (void)cuda->memory_free(strings->copy);
    aicc_rt_delete(allocator, strings, 1, sizeof *strings);
    strings = next;
  }
  aicc_rt_delete(allocator, program->modules, program->module_capacity, sizeof(cu_module));
  aicc_rt_delete(allocator, program->kernels, program->kernel_count, sizeof *program->kernels);
  aicc_rt_delete(allocator, program, 1, sizeof *program);
}

static aicc_rt_status load(aicc_rt_device *device, aicc_cuda_program *program,
                           aicc_rt_error *error) {
  const aicc_rt_allocator *allocator = &device->model->allocator;
  program->kernel_count = device->plan.kernel_count;
  program->module_capacity = device->plan.kernel_count;
  program->kernels = aicc_rt_new(allocator, program->kernel_count, sizeof *program->kernels);
  program->modules = aicc_rt_new(allocator, program->module_capacity, sizeof(cu_module));
  if (program->kernels == NULL || program->modules == NULL) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the tables of a CUDA device");
  }
  aicc_rt_status status = aicc_cuda_load_images(device, program, error);
  for (uint32_t i = 0; status == AICC_RT_OK && i < program->kernel_count; i++) {
    status =
        describe_kernel(device, &device->plan.kernels[i], program, &program->kernels[i], error);
  }
  return status == AICC_RT_OK ? upload_weights(device, program, error) : status;
}

static aicc_cuda_program *find(const aicc_rt_device *device) {
  for (aicc_rt_shared *shared = device->model->shared; shared != NULL; shared = shared->next) {
    if (shared->owner == &aicc_rt_device_cuda && shared->key == device->context) {
      return (aicc_cuda_program *)shared;
    }
  }
  return NULL;
}

// Under the model's lock: sessions made at once wait for the first, instead of loading all again.
static aicc_rt_status take_locked(aicc_rt_device *device, aicc_rt_error *error) {
  aicc_rt_model *model = device->model;
  aicc_cuda_program *program = find(device);
  if (program != NULL) {
    program->shared.references++;
    device->program = program;
    return AICC_RT_OK;
  }
  program = aicc_rt_new(&model->allocator, 1, sizeof *program);
  if (program == NULL) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the tables of a CUDA device");
  }
  const aicc_rt_status status = load(device, program, error);
  if (status != AICC_RT_OK) {
    unload(device, program);
    return status;
  }
  program->shared = (aicc_rt_shared){model->shared, &aicc_rt_device_cuda, device->context, 1};
  model->shared = &program->shared;
  device->program = program;
  return AICC_RT_OK;
}

aicc_rt_status aicc_cuda_program_take(aicc_rt_device *device, aicc_rt_error *error) {
  const int32_t plan = aicc_cuda_choose_plan(device, error);
  if (plan < 0) {
    return AICC_RT_UNAVAILABLE;
  }
  device->plan_index = (uint32_t)plan;
  device->plan = aicc_rt_model_plan(device->model->abi, device->plan_index);
  pthread_mutex_lock(&device->model->lock);
  const aicc_rt_status status = take_locked(device, error);
  pthread_mutex_unlock(&device->model->lock);
  return status;
}

void aicc_cuda_program_release(aicc_rt_device *device) {
  aicc_cuda_program *program = device->program;
  if (program == NULL) {
    return;
  }
  aicc_rt_model *model = device->model;
  pthread_mutex_lock(&model->lock);
  if (--program->shared.references == 0) {
    aicc_rt_shared **link = &model->shared;
    while (*link != &program->shared) {
      link = &(*link)->next;
    }
    *link = program->shared.next;
    unload(device, program);
  }
  pthread_mutex_unlock(&model->lock);
  device->program = NULL;
}
