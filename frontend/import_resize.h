// Resizing along one axis, in primitives.
#ifndef AICC_FRONTEND_IMPORT_RESIZE_H
#define AICC_FRONTEND_IMPORT_RESIZE_H

#include "frontend/import_math.h"

typedef enum aicc_resize_mode {
  AICC_RESIZE_NEAREST, AICC_RESIZE_LINEAR, AICC_RESIZE_CUBIC,
} aicc_resize_mode;

typedef enum aicc_resize_coordinates {
  AICC_RESIZE_HALF_PIXEL, AICC_RESIZE_HALF_PIXEL_SYMMETRIC, AICC_RESIZE_PYTORCH_HALF_PIXEL,
  AICC_RESIZE_ALIGN_CORNERS, AICC_RESIZE_ASYMMETRIC, AICC_RESIZE_CROP,
  AICC_RESIZE_TF_HALF_PIXEL,  // of versions 11 and 12; tf2onnx writes it in later ones too
} aicc_resize_coordinates;

typedef enum aicc_resize_rounding {
  AICC_RESIZE_PREFER_FLOOR, AICC_RESIZE_PREFER_CEIL, AICC_RESIZE_FLOOR, AICC_RESIZE_CEIL,
} aicc_resize_rounding;

typedef struct aicc_resize_style {
  aicc_resize_mode mode;
  aicc_resize_coordinates coordinates;
  aicc_resize_rounding rounding;
  bool antialias, exclude_outside;
  double cubic_a, extrapolation;
} aicc_resize_style;

typedef struct aicc_resize_axis {
  int axis;
  aicc_dim in, out;
  double known_scale;            // 0: not known at compile time
  aicc_value *scale;             // f64 scalar
  aicc_value *width;             // f64 scalar: in * scale, or the size that was asked for
  aicc_value *roi_start, *roi_end;  // f64 scalars; AICC_RESIZE_CROP
} aicc_resize_axis;

// x with |a->axis| resized. x is f32 or f64 (any type where the mode is nearest). NULL after a
// failure that the builder reported.
aicc_value *aicc_build_resize(aicc_builder *b, aicc_value *x, const aicc_resize_style *style,
                              const aicc_resize_axis *a);

#endif
