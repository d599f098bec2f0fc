#include "rt_device.h"

#include <string.h>

static const aicc_rt_device_ops *const devices[] = {&aicc_rt_device_cpu};

const aicc_rt_device_ops *aicc_rt_device_find(const char *name) {
  for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
    if (strcmp(devices[i]->name, name) == 0) {
      return devices[i];
    }
  }
  return NULL;
}

const char *aicc_rt_device_names(void) { return "cpu"; }
