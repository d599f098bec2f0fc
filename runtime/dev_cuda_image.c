// Which of a model's images a CUDA device takes, and loading them.
//
// A cubin runs on devices of its own major capability and at least its minor one; PTX on any at
// least as able, after the driver has compiled it; names that end in a letter ("sm_90a") on exactly
// that device. Cubins are tried first, then PTX, the nearest to the device first. What the driver
// cannot load (PTX newer than it, no PTX compiler) gives way to the next.
#include <stdlib.h>
#include <string.h>

#include "dev_cuda.h"

enum { CUBIN_SCORE = 100000, LOG_BYTES = 2048 };

// How well the image fits, higher is better; -1: not at all.
static int score_of(const aicc_rt_device *device, const aicc_abi_image *image) {
  const bool cubin = image->kind == AICC_ABI_IMAGE_CUBIN;
  if ((!cubin && image->kind != AICC_ABI_IMAGE_PTX) || strncmp(image->target, "sm_", 3) != 0) {
    return -1;
  }
  char *end = NULL;
  const long capability = strtol(image->target + 3, &end, 10);
  if (end == image->target + 3 || capability <= 0 || capability > device->capability ||
      (*end != 0 && capability != device->capability)) {
    return -1;
  }
  if (cubin && capability / 10 != device->capability / 10) {
    return -1;
  }
  // Made for exactly this device beats what any device of its kind takes.
  return (int)(2 * capability) + (*end != 0) + (cubin ? CUBIN_SCORE : 0);
}

static int32_t no_plan(const aicc_rt_device *device, aicc_rt_error *error) {
  char words[300] = "";
  aicc_rt_text images = {words, sizeof words, 0};
  aicc_rt_text_images(&images, device->model->abi);
  aicc_rt_fail(
      error, AICC_RT_UNAVAILABLE,
      "%s: it has no code for device '%s', which is sm_%d: it was compiled for %s. Compile "
      "it with --target sm_%d, or an older one of the same hundreds",
      device->model->path, device->name, device->capability, words, device->capability);
  return -1;
}

int32_t aicc_cuda_choose_plan(const aicc_rt_device *device, aicc_rt_error *error) {
  const aicc_abi_model *model = device->model->abi;
  int32_t plan = -1;
  int best = -1;
  for (uint32_t i = 0; i < model->image_count; i++) {
    const int score = score_of(device, &model->images[i]);
    if (score > best) {
      best = score;
      plan = (int32_t)model->images[i].plan;
    }
  }
  for (uint32_t i = 0; plan < 0 && i <= model->plan_count; i++) {
    if (aicc_rt_model_plan(model, i).kernel_count == 0) {
      plan = (int32_t)i;  // nothing to run there but copies
    }
  }
  return plan >= 0 ? plan : no_plan(device, error);
}

// ---- loading -----------------------------------------------------------------------------------

// Would another image of the same kernels do?
static bool is_about_the_image(cu_result result) {
  static const cu_result codes[] = {200, 209, 218, 221, 222, 223, 300};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    if (codes[i] == result) {
      return true;
    }
  }
  return false;
}

static cu_result load_module(const aicc_rt_device *device, const aicc_abi_image *image,
                             cu_module *module, char *log) {
  int options[] = {CU_JIT_ERROR_LOG, CU_JIT_ERROR_LOG_BYTES};
  void *values[] = {log, (void *)(uintptr_t)LOG_BYTES};
  log[0] = 0;
  return device->cuda->module_load(module, image->data, 2, options, values);
}

static void keep_log(const aicc_abi_image *image, char *log, aicc_rt_text *reasons) {
  for (char *at = log; *at != 0; at++) {
    *at = *at == '\n' ? ' ' : *at;
  }
  if (log[0] != 0) {
    aicc_rt_text_add(reasons, "; on %s it says: %.400s", image->target, log);
  }
}

static aicc_rt_status find_function(aicc_rt_device *device, const aicc_abi_kernel *kernel,
                                    cu_module module, cu_function *function,
                                    aicc_rt_error *error) {
  const cu_result result = kernel->symbol != NULL
                               ? device->cuda->module_function(function, module, kernel->symbol)
                               : 500;
  char doing[200];
  aicc_rt_text text = {doing, sizeof doing, 0};
  aicc_rt_text_add(&text, "looking up kernel '%s'", kernel->name);
  return result == CU_OK ? AICC_RT_OK : aicc_cuda_fail(device, result, doing, error);
}

static aicc_rt_status take_module(aicc_rt_device *device, aicc_cuda_program *program,
                                  const aicc_abi_image *image, cu_module module,
                                  aicc_rt_error *error) {
  program->modules[program->module_count++] = module;
  for (uint32_t i = 0; i < image->kernel_count; i++) {
    const uint32_t kernel = image->first_kernel + i;
    if (program->kernels[kernel].function == NULL) {
      const aicc_rt_status status =
          find_function(device, &device->plan.kernels[kernel], module,
                        &program->kernels[kernel].function, error);
      if (status != AICC_RT_OK) {
        return status;
      }
    }
  }
  return AICC_RT_OK;
}

// The best image of |kernel| below |*score|, which is set to its own. NULL: there is none.
static const aicc_abi_image *next_best(const aicc_rt_device *device, uint32_t kernel, int *score) {
  const aicc_abi_model *model = device->model->abi;
  const aicc_abi_image *best = NULL;
  int best_score = -1;
  for (uint32_t i = 0; i < model->image_count; i++) {
    const aicc_abi_image *image = &model->images[i];
    const int own = score_of(device, image);
    if (image->plan == device->plan_index && kernel >= image->first_kernel &&
        kernel - image->first_kernel < image->kernel_count && own > best_score && own < *score) {
      best = image;
      best_score = own;
    }
  }
  *score = best_score;
  return best;
}

static aicc_rt_status load_for(aicc_rt_device *device, aicc_cuda_program *program, uint32_t kernel,
                               aicc_rt_error *error) {
  char log[LOG_BYTES], words[500] = "";
  aicc_rt_text reasons = {words, sizeof words, 0};
  cu_result first = CU_OK;
  int score = 2 * CUBIN_SCORE;
  for (const aicc_abi_image *image; (image = next_best(device, kernel, &score)) != NULL;) {
    cu_module module = NULL;
    const cu_result result = load_module(device, image, &module, log);
    if (result == CU_OK) {
      return take_module(device, program, image, module, error);
    }
    first = first == CU_OK || first == 209 ? result : first;  // the PTX's reason says more
    keep_log(image, log, &reasons);
    if (!is_about_the_image(result)) {
      break;
    }
  }
  if (first == CU_OK) {
    no_plan(device, error);
    return AICC_RT_UNAVAILABLE;
  }
  aicc_rt_error why;
  const aicc_rt_status status = aicc_cuda_fail(device, first, "loading the model's code", &why);
  return aicc_rt_fail(error, status, "%s%s", why.text, words);
}

aicc_rt_status aicc_cuda_load_images(aicc_rt_device *device, aicc_cuda_program *program,
                                     aicc_rt_error *error) {
  for (uint32_t i = 0; i < program->kernel_count; i++) {
    if (program->kernels[i].function == NULL) {
      const aicc_rt_status status = load_for(device, program, i, error);
      if (status != AICC_RT_OK) {
        return status;
      }
    }
  }
  return AICC_RT_OK;
}
