// An application that embeds a model: what tests/package compiles against an installed runtime.
#include <aicc/runtime.h>
#include <stdio.h>

int main(void) {
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open("no-such-model.so", NULL, &error);
  if (model || error.code != AICC_RT_IO) return 1;
  puts(error.text);
  return 0;
}
