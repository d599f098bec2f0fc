// Library kernels of object detection: non-maximum suppression, pooling of regions.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval_opaque.h"

typedef struct candidate {
  double score;
  int64_t box;
} candidate;

static int by_score(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  const int order = (x->score < y->score) - (x->score > y->score);
  return order ? order : (x->box > y->box) - (x->box < y->box);
}

typedef struct corners {
  double y1, x1, y2, x2;
} corners;

static corners corners_of(const double *box, bool center) {
  if (center) {
    return (corners){box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2,
                     box[0] + box[2] / 2};
  }
  return (corners){fmin(box[0], box[2]), fmin(box[1], box[3]), fmax(box[0], box[2]),
                   fmax(box[1], box[3])};
}

static double overlap(const corners *a, const corners *b) {
  const double height = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
  const double width = fmin(a->x2, b->x2) - fmax(a->x1, b->x1);
  const double common = height > 0 && width > 0 ? height * width : 0;
  const double area_a = (a->y2 - a->y1) * (a->x2 - a->x1);
  const double area_b = (b->y2 - b->y1) * (b->x2 - b->x1);
  return common <= 0 ? 0 : common / (area_a + area_b - common);
}

typedef struct nms {
  int64_t batches, classes, boxes, most;
  double iou, score;
  bool center, has_score;
  const double *box, *scores;
  candidate *candidates;
  int64_t *kept;
} nms;

// The kept boxes of one class in n->kept; returns their number.
static int64_t suppress(const nms *n, int64_t batch, int64_t class) {
  const double *scores = n->scores + (batch * n->classes + class) * n->boxes;
  const double *boxes = n->box + batch * n->boxes * 4;
  int64_t count = 0, kept = 0;
  for (int64_t i = 0; i < n->boxes; i++) {
    if (!n->has_score || scores[i] > n->score) {
      n->candidates[count++] = (candidate){scores[i], i};
    }
  }
  qsort(n->candidates, (size_t)count, sizeof *n->candidates, by_score);
  for (int64_t i = 0; i < count && kept < n->most; i++) {
    const corners mine = corners_of(boxes + 4 * n->candidates[i].box, n->center);
    bool free = true;
    for (int64_t k = 0; k < kept && free; k++) {
      const corners other = corners_of(boxes + 4 * n->kept[k], n->center);
      free = overlap(&mine, &other) <= n->iou;
    }
    if (free) {
      n->kept[kept++] = n->candidates[i].box;
    }
  }
  return kept;
}

aicc_status aicc_eval_opaque_non_max_suppression(aicc_eval_call *call) {
  const aicc_eval_value *boxes = call->in[0], *scores = call->in[1];
  aicc_eval_value *out = &call->out[0];
  if (boxes->rank != 3 || boxes->shape[2] != 4 || scores->rank != 3 ||
      scores->shape[2] != boxes->shape[1] || scores->shape[0] != boxes->shape[0]) {
    return aicc_eval_fail(call, "boxes and scores do not fit each other");
  }
  nms n = {
      .batches = boxes->shape[0],
      .classes = scores->shape[1],
      .boxes = boxes->shape[1],
      .most = aicc_eval_opaque_has(call, 2) ? aicc_eval_scalar_i64(call->in[2]) : 0,
      .iou = aicc_eval_opaque_scalar(call, 3, 0),
      .score = aicc_eval_opaque_scalar(call, 4, 0),
      .has_score = aicc_eval_opaque_has(call, 4),
      .center = aicc_eval_opaque_int(call, 0, 0) != 0,
      .box = aicc_eval_all_f64(call, boxes),
      .scores = aicc_eval_all_f64(call, scores),
      .candidates = AICC_NEW_ARRAY(call->arena, candidate, boxes->shape[1] + 1),
      .kept = AICC_NEW_ARRAY(call->arena, int64_t, boxes->shape[1] + 1),
  };
  int64_t *rows = out->data, found = 0;
  const int64_t room = aicc_eval_value_count(out) / 3;
  memset(rows, 0, (size_t)room * 3 * sizeof *rows);
  for (int64_t i = 0; i < n.batches * n.classes; i++) {
    const int64_t kept = suppress(&n, i / n.classes, i % n.classes);
    for (int64_t k = 0; k < kept && found < room; k++, found++) {
      rows[3 * found] = i / n.classes;
      rows[3 * found + 1] = i % n.classes;
      rows[3 * found + 2] = n.kept[k];
    }
  }
  aicc_set_i64(call->out[1].dtype, call->out[1].data, 0, found);
  return AICC_OK;
}

// --- roi_align -----------------------------------------------------------------------------------

typedef struct align {
  int64_t channels, height, width, bins_h, bins_w, ratio;
  double scale;
  bool half_pixel, is_max;
} align;

// A sample's four weighted neighbours, as ONNX Runtime has them: up to one element outside counts.
static void sample(const align *a, const double *plane, double y, double x, double *terms) {
  memset(terms, 0, 4 * sizeof *terms);
  if (y < -1 || y > (double)a->height || x < -1 || x > (double)a->width) {
    return;
  }
  y = fmin(fmax(y, 0), (double)(a->height - 1));
  x = fmin(fmax(x, 0), (double)(a->width - 1));
  const int64_t top = (int64_t)y, left = (int64_t)x;
  const int64_t bottom = top + 1 < a->height ? top + 1 : top;
  const int64_t right = left + 1 < a->width ? left + 1 : left;
  const double dy = y - (double)top, dx = x - (double)left;
  terms[0] = (1 - dy) * (1 - dx) * plane[top * a->width + left];
  terms[1] = (1 - dy) * dx * plane[top * a->width + right];
  terms[2] = dy * (1 - dx) * plane[bottom * a->width + left];
  terms[3] = dy * dx * plane[bottom * a->width + right];
}

typedef struct bin {
  double y, x, height, width;
  int64_t grid_h, grid_w;
} bin;

static double pool_bin(const align *a, const double *plane, const bin *b) {
  double sum = 0, most = -(double)INFINITY, terms[4];
  for (int64_t i = 0; i < b->grid_h * b->grid_w; i++) {
    const double y = b->y + ((double)(i / b->grid_w) + 0.5) * b->height / (double)b->grid_h;
    const double x = b->x + ((double)(i % b->grid_w) + 0.5) * b->width / (double)b->grid_w;
    sample(a, plane, y, x, terms);
    sum += terms[0] + terms[1] + terms[2] + terms[3];
    most = fmax(most, fmax(fmax(terms[0], terms[1]), fmax(terms[2], terms[3])));
  }
  const int64_t count = b->grid_h * b->grid_w;
  return a->is_max ? (count ? most : 0) : sum / (double)(count > 1 ? count : 1);
}

static void align_region(const align *a, const double *roi, const double *planes, double *out) {
  const double offset = a->half_pixel ? 0.5 : 0;
  const double x1 = roi[0] * a->scale - offset, y1 = roi[1] * a->scale - offset;
  double width = roi[2] * a->scale - offset - x1, height = roi[3] * a->scale - offset - y1;
  if (!a->half_pixel) {
    width = fmax(width, 1);
    height = fmax(height, 1);
  }
  bin b = {.height = height / (double)a->bins_h, .width = width / (double)a->bins_w};
  b.grid_h = a->ratio > 0 ? a->ratio : (int64_t)ceil(b.height);
  b.grid_w = a->ratio > 0 ? a->ratio : (int64_t)ceil(b.width);
  for (int64_t c = 0; c < a->channels; c++) {
    for (int64_t i = 0; i < a->bins_h * a->bins_w; i++) {
      b.y = y1 + (double)(i / a->bins_w) * b.height;
      b.x = x1 + (double)(i % a->bins_w) * b.width;
      *out++ = pool_bin(a, planes + c * a->height * a->width, &b);
    }
  }
}

aicc_status aicc_eval_opaque_roi_align(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *rois = call->in[1];
  aicc_eval_value *out = &call->out[0];
  if (x->rank != 4 || rois->rank != 2 || rois->shape[1] != 4 || out->rank != 4 ||
      aicc_eval_value_count(call->in[2]) != rois->shape[0]) {
    return aicc_eval_fail(call, "operands do not fit each other");
  }
  const align a = {.channels = x->shape[1],
                   .height = x->shape[2],
                   .width = x->shape[3],
                   .bins_h = out->shape[2],
                   .bins_w = out->shape[3],
                   .ratio = aicc_eval_opaque_int(call, 0, 0),
                   .half_pixel = aicc_eval_opaque_int(call, 1, 1) != 0,
                   .is_max = aicc_eval_opaque_int(call, 2, 0) != 0,
                   .scale = aicc_eval_opaque_float(call, 0, 1)};
  const double *data = aicc_eval_all_f64(call, x), *boxes = aicc_eval_all_f64(call, rois);
  const int64_t *batch = aicc_eval_all_i64(call, call->in[2]);
  const int64_t size = a.channels * a.bins_h * a.bins_w;
  double *row = AICC_NEW_ARRAY(call->arena, double, size + 1);
  for (int64_t r = 0; r < rois->shape[0]; r++) {
    if (batch[r] < 0 || batch[r] >= x->shape[0]) {
      return aicc_eval_fail(call, "batch index %lld of %lld", (long long)batch[r],
                            (long long)x->shape[0]);
    }
    align_region(&a, boxes + 4 * r, data + batch[r] * a.channels * a.height * a.width, row);
    aicc_eval_store_f64(out->dtype, out->data, r * size, size, row);
  }
  return AICC_OK;
}

// --- max_roi_pool --------------------------------------------------------------------------------

static int64_t clamp(double value, int64_t high) {
  return value < 0 ? 0 : value > (double)high ? high : (int64_t)value;
}

static double max_of(const double *plane, int64_t width, const int64_t *y, const int64_t *x) {
  double most = y[0] < y[1] && x[0] < x[1] ? -(double)INFINITY : 0;
  for (int64_t i = y[0]; i < y[1]; i++) {
    for (int64_t j = x[0]; j < x[1]; j++) {
      most = fmax(most, plane[i * width + j]);
    }
  }
  return most;
}

aicc_status aicc_eval_opaque_max_roi_pool(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *rois = call->in[1];
  aicc_eval_value *out = &call->out[0];
  if (x->rank != 4 || rois->rank != 2 || rois->shape[1] != 5 || out->rank != 4) {
    return aicc_eval_fail(call, "operands do not fit each other");
  }
  const double scale = aicc_eval_opaque_float(call, 0, 1);
  const double *data = aicc_eval_all_f64(call, x), *boxes = aicc_eval_all_f64(call, rois);
  const int64_t height = x->shape[2], width = x->shape[3], count = aicc_eval_value_count(out);
  const int64_t bins_h = out->shape[2], bins_w = out->shape[3];
  for (int64_t i = 0; i < count; i++) {
    const int64_t px = i % bins_w, py = i / bins_w % bins_h;
    const int64_t c = i / bins_w / bins_h % x->shape[1], r = i / bins_w / bins_h / x->shape[1];
    const double *roi = boxes + 5 * r;
    const double x1 = round(roi[1] * scale), y1 = round(roi[2] * scale);
    const double bin_w = fmax(round(roi[3] * scale) - x1 + 1, 1) / (double)bins_w;
    const double bin_h = fmax(round(roi[4] * scale) - y1 + 1, 1) / (double)bins_h;
    if (roi[0] < 0 || roi[0] >= (double)x->shape[0]) {
      return aicc_eval_fail(call, "batch index %g of %lld", roi[0], (long long)x->shape[0]);
    }
    const int64_t ys[2] = {clamp(floor((double)py * bin_h) + y1, height),
                           clamp(ceil((double)(py + 1) * bin_h) + y1, height)};
    const int64_t xs[2] = {clamp(floor((double)px * bin_w) + x1, width),
                           clamp(ceil((double)(px + 1) * bin_w) + x1, width)};
    const double *plane = data + ((int64_t)roi[0] * x->shape[1] + c) * height * width;
    const double most = max_of(plane, width, ys, xs);
    aicc_eval_store_f64(out->dtype, out->data, i, 1, &most);
  }
  return AICC_OK;
}
