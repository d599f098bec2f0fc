// Library kernels of object detection, and of positions that are computed: non-maximum suppression,
// pooling of regions, deformable convolution.
#include <string.h>

#include "passes/lower_own.h"

static aicc_dim times(own *o, aicc_dim a, aicc_dim b) { return aicc_dim_mul(o->dims, a, b); }

static void bind_types(own_kernel *k, aicc_dtype dtype) {
  own_bind(k, "T=%s", aicc_dtype_name(dtype));
  own_bind(k, "C=%s", own_compute(dtype));
}

// An operand as a scalar of |dtype|: what library text expects of thresholds and counts.
static void optional_scalar(own_kernel *k, const char *name, int operand, aicc_dtype dtype) {
  own *o = k->o;
  if (own_has(o, operand) && own_type(o, operand)->dtype != dtype) {
    aicc_lower_unsupported(o->lw, o->node,
                           aicc_arena_printf(o->arena, "operand %d of type %s", operand,
                                             aicc_dtype_name(own_type(o, operand)->dtype)));
    return;
  }
  own_optional(k, name, operand);
}

void own_lower_non_max_suppression(own *o) {
  const aicc_type *boxes = own_type(o, 0), *scores = own_type(o, 1);
  const aicc_type *rows = &o->node->out[0]->type;
  const aicc_dim all = times(o, boxes->dims[0], scores->dims[1]), n = boxes->dims[1];
  const aicc_dim each[] = {all, n};
  const aicc_slot kept = aicc_lower_temporary(o->lw, AICC_I32, each, 2, "nms_kept");
  const aicc_slot counts = aicc_lower_temporary(o->lw, AICC_I64, each, 1, "nms_counts");
  own_kernel k = own_begin(o, "nms_select");
  own_bind(&k, "T=%s", aicc_dtype_name(boxes->dtype));
  own_bind(&k, "CENTER=%s", own_int(o, 0, 0) ? "true" : "false");
  own_buffer(&k, "boxes", own_operand(o, 0));
  own_buffer(&k, "scores", own_operand(o, 1));
  optional_scalar(&k, "most", 2, AICC_I64);
  optional_scalar(&k, "iou", 3, AICC_F32);
  optional_scalar(&k, "least", 4, AICC_F32);
  own_buffer(&k, "alive", aicc_lower_temporary(o->lw, AICC_F32, each, 2, "nms_alive"));
  own_buffer(&k, "kept", kept);
  own_buffer(&k, "counts", counts);
  own_size(&k, "classes", scores->dims[1]);
  own_size(&k, "n", n);
  own_launch(&k, all, times(o, times(o, all, n), own_const(o, 50)));
  own_kernel g = own_begin(o, "nms_gather");
  own_buffer(&g, "kept", kept);
  own_buffer(&g, "counts", counts);
  own_buffer(&g, "rows", own_result(o, 0));
  own_buffer(&g, "found", own_result(o, 1));
  own_size(&g, "all", all);
  own_size(&g, "classes", scores->dims[1]);
  own_size(&g, "n", n);
  own_size(&g, "room", rows->dims[0]);
  own_launch(&g, aicc_dim_max(o->dims, all, own_const(o, 1)), times(o, all, own_const(o, 20)));
}

// Sizes both kinds of pooling share; tasks over regions and channels.
static void launch_pool(own_kernel *k) {
  own *o = k->o;
  const aicc_type *x = own_type(o, 0), *y = &o->node->out[0]->type;
  bind_types(k, x->dtype);
  own_bind_float(k, "SCALE", own_float(o, 0, 1));
  own_buffer(k, "x", own_operand(o, 0));
  own_buffer(k, "rois", own_operand(o, 1));
  own_buffer(k, "y", own_result(o, 0));
  own_size(k, "images", x->dims[0]);
  own_size(k, "channels", x->dims[1]);
  own_size(k, "height", x->dims[2]);
  own_size(k, "width", x->dims[3]);
  own_size(k, "bins_h", y->dims[2]);
  own_size(k, "bins_w", y->dims[3]);
  own_launch(k, times(o, y->dims[0], y->dims[1]), times(o, own_count(o, y), own_const(o, 20)));
}

void own_lower_roi_align(own *o) {
  const bool half = own_int(o, 1, 1) != 0;
  if (own_type(o, 2)->dtype != AICC_I64) {
    aicc_lower_unsupported(o->lw, o->node, "batch indices must be i64");
    return;
  }
  own_kernel k = own_begin(o, "roi_align");
  own_bind(&k, "R=%s", aicc_dtype_name(own_type(o, 1)->dtype));
  own_bind(&k, "RATIO=%lld", (long long)own_int(o, 0, 0));
  own_bind(&k, "HALF_PIXEL=%s", half ? "true" : "false");
  own_bind(&k, "OFFSET=%s", half ? "0.5" : "0.0");
  own_bind(&k, "MAXIMUM=%s", own_int(o, 2, 0) ? "true" : "false");
  own_buffer(&k, "batch", own_operand(o, 2));
  launch_pool(&k);
}

void own_lower_max_roi_pool(own *o) {
  own_kernel k = own_begin(o, "max_roi_pool");
  launch_pool(&k);
}

void own_lower_deform_conv(own *o) {
  static const char *const names[] = {"GROUPS",     "OFFSET_GROUPS", "STRIDE_H", "STRIDE_W",
                                      "DILATION_H", "DILATION_W",    "PAD_H",    "PAD_W"};
  const aicc_type *x = own_type(o, 0), *w = own_type(o, 1), *y = &o->node->out[0]->type;
  if (x->rank != 4) {
    aicc_lower_unsupported(o->lw, o->node, "other than two spatial dimensions");
    return;
  }
  own_kernel k = own_begin(o, "deform_conv");
  bind_types(&k, x->dtype);
  for (int i = 0; i < 8; i++) {
    own_bind(&k, "%s=%lld", names[i], (long long)own_int(o, i, i < 6));
  }
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "w", own_operand(o, 1));
  own_buffer(&k, "offset", own_operand(o, 2));
  own_optional(&k, "bias", 3);
  own_optional(&k, "mask", 4);
  own_buffer(&k, "y", own_result(o, 0));
  own_size(&k, "in_channels", x->dims[1]);
  own_size(&k, "out_channels", y->dims[1]);
  own_size(&k, "height", x->dims[2]);
  own_size(&k, "width", x->dims[3]);
  own_size(&k, "out_h", y->dims[2]);
  own_size(&k, "out_w", y->dims[3]);
  own_size(&k, "taps_h", w->dims[2]);
  own_size(&k, "taps_w", w->dims[3]);
  const aicc_dim taps = times(o, w->dims[1], times(o, w->dims[2], w->dims[3]));
  own_launch(&k, times(o, times(o, y->dims[0], y->dims[1]), y->dims[2]),
             times(o, own_count(o, y), times(o, taps, own_const(o, 3))));
}
