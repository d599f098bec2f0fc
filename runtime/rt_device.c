#include "rt_device.h"

#include <string.h>

static const aicc_rt_device_ops *const devices[] = {&aicc_rt_device_cpu, &aicc_rt_device_cuda};
enum { DEVICE_COUNT = sizeof devices / sizeof devices[0], NUMBER_MAX = 9999 };

// Decimal digits alone, -1 for anything else.
static int32_t read_number(const char *text) {
  int32_t number = *text == 0 ? -1 : 0;
  for (; number >= 0 && *text != 0; text++) {
    const bool digit = *text >= '0' && *text <= '9';
    number = digit && number <= NUMBER_MAX ? 10 * number + (*text - '0') : -1;
  }
  return number;
}

const aicc_rt_device_ops *aicc_rt_device_find(const char *name, int32_t *number,
                                              aicc_rt_error *error) {
  const char *colon = strchr(name, ':');
  const size_t length = colon != NULL ? (size_t)(colon - name) : strlen(name);
  for (size_t i = 0; i < DEVICE_COUNT; i++) {
    const aicc_rt_device_ops *ops = devices[i];
    if (strlen(ops->name) != length || memcmp(ops->name, name, length) != 0 ||
        (colon != NULL && ops->number == NULL)) {
      continue;
    }
    *number = colon != NULL ? read_number(colon + 1) : 0;
    if (*number >= 0) {
      return ops;
    }
    aicc_rt_fail(error, AICC_RT_INVALID,
                 "'%s' is no device: a number follows the colon, as in %s:0", name, ops->name);
    return NULL;
  }
  char words[100];
  aicc_rt_text list = {words, sizeof words, 0};
  for (size_t i = 0; i < DEVICE_COUNT; i++) {
    aicc_rt_text_add(&list, "%s%s%s", i > 0 ? ", " : "", devices[i]->name,
                     devices[i]->number != NULL ? ":N" : "");
  }
  aicc_rt_fail(error, AICC_RT_UNAVAILABLE, "there is no device '%s'; there is: %s", name, words);
  return NULL;
}

bool aicc_rt_model_has_code(const aicc_abi_model *model, uint32_t plan, const int32_t *kinds) {
  if (model->image_count == 0) {
    return plan == 0 && kinds[0] == AICC_ABI_IMAGE_CPU;
  }
  for (uint32_t i = 0; i < model->image_count; i++) {
    for (const int32_t *kind = kinds; *kind >= 0; kind++) {
      if (model->images[i].plan == plan && (int32_t)model->images[i].kind == *kind) {
        return true;
      }
    }
  }
  return false;
}

void aicc_rt_text_images(aicc_rt_text *text, const aicc_abi_model *model) {
  for (uint32_t i = 0; i < model->image_count; i++) {
    const char *target = model->images[i].target;
    bool named = target == NULL;
    for (uint32_t k = 0; k < i && !named; k++) {
      named = model->images[k].target != NULL && strcmp(model->images[k].target, target) == 0;
    }
    if (!named) {
      aicc_rt_text_add(text, "%s%s", text->used > 0 ? ", " : "", target);
    }
  }
  if (text->used == 0) {
    aicc_rt_text_add(text, "this machine's CPU");
  }
}
