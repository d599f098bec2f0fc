"""Operators that have no official cases, one function each: the node and what NumPy says it gives.

A function gets a seeded generator and returns (node(type, inputs.., attributes..), results). Inputs
are arrays; None: left out; Weight(array): a constant of the model. A result may be a list: a sequence.
The cases of attention and of bytes lie beside this file.
"""

import math
import re

import numpy as np

import attention_cases  # noqa: F401  (adds its cases)
import quantised_cases  # noqa: F401
from case_support import *  # noqa: F403

# --- activations ----------------------------------------------------------------------------------


@case("Gelu")
def gelu_case(random):
    x = normal(random, 3, 17)
    return node("Gelu", x), [gelu(x)]


@case("FastGelu")
def fast_gelu(random):
    x, bias = normal(random, 2, 3, 16), normal(random, 16)
    return node("FastGelu", x, bias), [tanh_gelu(x + bias)]


@case("BiasGelu")
def bias_gelu(random):
    x, bias = normal(random, 2, 3, 16), normal(random, 16)
    return node("BiasGelu", x, bias), [gelu(x + bias)]


@case("QuickGelu")
def quick_gelu(random):
    x = normal(random, 4, 9)
    return node("QuickGelu", x, alpha=1.5), [x * sigmoid(np.float32(1.5) * x)]


# --- products -------------------------------------------------------------------------------------


@case("FusedMatMul")
def fused_matmul(random):
    a, b = normal(random, 2, 7, 3), normal(random, 2, 5, 7)
    y = np.float32(0.5) * np.matmul(a.transpose(0, 2, 1), b.transpose(0, 2, 1))
    return node("FusedMatMul", a, b, transA=1, transB=1, alpha=0.5), [y]


@case("TransposeMatMul")
def transpose_matmul(random):
    a, b = normal(random, 3, 7), normal(random, 5, 7)
    return node("TransposeMatMul", a, b, transB=1), [a @ b.T]


@case("FusedGemm")
def fused_gemm(random):
    a, b, c = normal(random, 4, 6), Weight(normal(random, 6, 9)), Weight(normal(random, 9))
    y = np.float32(2) * (a @ b.value) + np.float32(0.5) * c.value
    return node("FusedGemm", a, b, c, alpha=2.0, beta=0.5, activation="Relu"), [np.maximum(y, 0)]


@case("FusedConv")
def fused_conv(random):
    x, w, b = normal(random, 2, 3, 5, 5), normal(random, 4, 3, 1, 1), normal(random, 4)
    y = np.einsum("nchw,mc->nmhw", x, w[:, :, 0, 0]) + b[:, None, None]
    y = np.where(y < 0, np.float32(0.1) * y, y)
    return node("FusedConv", x, Weight(w), Weight(b), activation="LeakyRelu",
                activation_params=[0.1]), [y.astype(np.float32)]


# --- normalisations -------------------------------------------------------------------------------


@case("LayerNormalization")
def layer_normalization(random):
    x, scale, shift = normal(random, 2, 3, 24), normal(random, 24), normal(random, 24)
    return (node("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-3),
            [layer_norm(x, scale, shift, 1e-3)])


@case("SimplifiedLayerNormalization")
def simplified_layer_normalization(random):
    x, scale = normal(random, 2, 3, 24), normal(random, 24)
    return (node("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=1e-3),
            [rms_norm(x, scale, 1e-3)])


@case("SkipLayerNormalization")
def skip_layer_normalization(random):
    x, skip = normal(random, 2, 3, 24), normal(random, 2, 3, 24)
    scale, shift, bias = normal(random, 24), normal(random, 24), normal(random, 24)
    y = layer_norm(x + skip + bias, scale, shift, 1e-3)
    return node("SkipLayerNormalization", x, skip, scale, shift, bias, epsilon=1e-3), [y]


@case("SkipSimplifiedLayerNormalization")
def skip_simplified_layer_normalization(random):
    x, skip, scale = normal(random, 2, 3, 24), normal(random, 2, 3, 24), normal(random, 24)
    return (node("SkipSimplifiedLayerNormalization", x, skip, scale, epsilon=1e-3),
            [rms_norm(x + skip, scale, 1e-3)])


@case("EmbedLayerNormalization")
def embed_layer_normalization(random):
    words, segments = random.integers(0, 30, (2, 5)), random.integers(0, 2, (2, 5))
    tables = [normal(random, n, 12) for n in (30, 8, 2)]
    scale, shift = normal(random, 12), normal(random, 12)
    mask = (np.arange(5) < [[3], [5]]).astype(np.int32)
    y = layer_norm(tables[0][words] + tables[1][:5] + tables[2][segments], scale, shift, 1e-3)
    weights = [Weight(w) for w in (*tables, scale, shift)]
    return (node("EmbedLayerNormalization", words.astype(np.int32), segments.astype(np.int32),
                 *weights, mask, epsilon=1e-3),
            [y, mask.sum(axis=1, dtype=np.int32)])


@case("QEmbedLayerNormalization")
def q_embed_layer_normalization(random):
    words, segments = random.integers(0, 30, (2, 5)), random.integers(0, 2, (2, 5))
    tables = [bytes_of(random, *shape) for shape in ((30, 12), (8, 12), (2, 12), (12,), (12,))]
    scales, zeros = [f32(0.01 * (i + 1)) for i in range(5)], [u8(120 + i) for i in range(5)]
    mask = (np.arange(5) < [[3], [5]]).astype(np.int32)
    w, p, s, scale, shift = (dequantize(t, a, z) for t, a, z in zip(tables, scales, zeros))
    y = layer_norm(w[words] + p[:5] + s[segments], scale, shift, 1e-3)
    return (node("QEmbedLayerNormalization", words.astype(np.int32), segments.astype(np.int32),
                 *map(Weight, tables), mask, *map(Weight, scales + zeros), epsilon=1e-3),
            [y, mask.sum(axis=1, dtype=np.int32)])


# --- moves ----------------------------------------------------------------------------------------


@case("GatherND")
def gather_nd(random):
    x, at = normal(random, 4, 5, 3), np.array([[0, 1], [3, 4]])
    return node("GatherND", x, at), [x[at[:, 0], at[:, 1]]]


@case("Pad")
def pad(random):
    x = normal(random, 4, 5)
    y = np.pad(x, ((1, 0), (0, 2)), constant_values=2)
    return node("Pad", x, Weight(np.array([1, 0, 0, 2])), Weight(f32([2])), mode="constant"), [y]


@case("Trilu")
def trilu(random):
    x = normal(random, 4, 5)
    return node("Trilu", x, Weight(np.array(1)), upper=0), [np.tril(x, 1)]


# --- ONNX: what the official cases leave out --------------------------------------------------------


@case("Resize-tf-half-pixel")
def resize_tf_half_pixel(random):
    """What tf2onnx writes for nearest neighbours; the standard had it in versions 11 and 12."""
    x, sizes = normal(random, 2, 3, 5, 4), [2, 3, 8, 3]
    rows, columns = (np.floor((np.arange(o) + 0.5) * i / o).astype(int) for o, i in ((8, 5), (3, 4)))
    return (node("Resize", x, None, None, Weight(np.array(sizes)), domain="", mode="nearest",
                 nearest_mode="floor", coordinate_transformation_mode="tf_half_pixel_for_nn"),
            [x[:, :, rows][..., columns]])


def dropped_case(name, function, **attributes):
    """Operators that the standard dropped and old converters wrote."""
    @case(name)
    def run(random):
        x = normal(random, 2, 3, 5, 4)
        return node(name.split("-")[0], x, domain="", version=9, **attributes), [function(x)]


def f32_of(function):
    return lambda x: function(x).astype(np.float32)


dropped_case("Affine", f32_of(lambda x: 0.5 * x - 2), alpha=0.5, beta=-2.0)
dropped_case("Scale", f32_of(lambda x: 0.5 * x), scale=0.5)
dropped_case("ScaledTanh", f32_of(lambda x: 0.5 * np.tanh(2 * x)), alpha=0.5, beta=2.0)
dropped_case("ParametricSoftplus", f32_of(lambda x: 0.5 * np.log1p(np.exp(2 * x))), alpha=0.5,
             beta=2.0)
dropped_case("ImageScaler", f32_of(lambda x: 0.5 * x + np.array([1, 2, 3])[:, None, None]),
             scale=0.5, bias=[1.0, 2.0, 3.0])
dropped_case("Crop", lambda x: x[:, :, 1:-2, 1:], border=[1, 1, 0, 2])
dropped_case("Crop-size", lambda x: x[:, :, 1:4, 1:3], border=[1, 1, 0, 0], scale=[3, 2])


@case("DynamicSlice")
def dynamic_slice(random):
    x = normal(random, 2, 3, 5, 4)
    return (node("DynamicSlice", x, *(Weight(np.array(v)) for v in ([1, 0], [4, 2], [2, 1])),
                 domain="", version=9), [x[:, :2, 1:4]])


@case("Slice-lengths")
def slice_lengths(random):
    """As many starts and ends as there are axes, whose number alone is known."""
    x = normal(random, 5, 4, 6)
    return (node("Slice", x, np.array([1, -4]), np.array([3, 99]), Weight(np.array([1, 2])),
                 domain="", free_lengths=True), [x[:, 1:3, -4:]])


@case("SplitToSequence-lengths")
def split_to_sequence_lengths(random):
    """As many parts as a list has lengths, which is known when the model runs."""
    x, lengths = normal(random, 3, 7), np.array([2, 0, 4, 1])
    return (node("SplitToSequence", x, lengths, domain="", axis=1, free_lengths=True),
            [np.split(x, np.cumsum(lengths)[:-1], axis=1)])


# --- strings ----------------------------------------------------------------------------------------

TEXTS = ["It is one, is it?", "", "a-bc  déjà vu", "...", "x"]


def tokenizer_case(name, shape, cut, **attributes):
    @case("Tokenizer" + name)
    def run(random):
        x = np.array((TEXTS * 2)[: math.prod(shape)], object).reshape(shape)
        rows = [[t for t in cut(text) if len(t) >= attributes["mincharnum"]] for text in x.flat]
        if attributes["mark"]:
            rows = [["\x02", *row, "\x03"] for row in rows]
        width = max(len(row) for row in rows)
        rows = [row + ["#"] * (width - len(row)) for row in rows]
        y = np.array(rows, object).reshape(*shape, width)
        return node("Tokenizer", x, pad_value="#", **attributes), [y]


tokenizer_case("", (5,), lambda s: re.findall(r"[a-zA-Z0-9_]+", s), tokenexp="[a-zA-Z0-9_]+",
               mincharnum=1, mark=0)
tokenizer_case("-separators", (2, 4), lambda s: re.split("[ .?]", s), mark=1, mincharnum=2,
               separators=[" ", "[.]", "\\?"])
tokenizer_case("-characters", (5,), list, separators=[""], mincharnum=1, mark=0)


# --- ai.onnx.ml: what the official cases leave out --------------------------------------------------


@case("CDist")
def cdist(random):
    a, b = normal(random, 5, 4), normal(random, 7, 4)
    return (node("CDist", a, Weight(b), metric="euclidean"),
            [np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1))])


@case("OneHotEncoder-no-zeros")
def one_hot_encoder_no_zeros(random):
    x = random.integers(0, 3, (4, 5))
    return (node("OneHotEncoder", x, domain="ai.onnx.ml", cats_int64s=[2, 0, 1], zeros=0),
            [(x[..., None] == [2, 0, 1]).astype(np.float32)])


@case("ZipMap")
def zip_map(random):
    """A matrix with a column for each label, in their ascending order."""
    x = normal(random, 4, 3)
    return (node("ZipMap", x, domain="ai.onnx.ml", classlabels_strings=["b", "c", "a"]),
            [x[:, [2, 0, 1]]])


# --- experts --------------------------------------------------------------------------------------


def mixture(x, scores, k, normal, expert):
    """Sums expert(number, row) over the k best of each row."""
    y = np.zeros_like(x)
    for row, score in enumerate(scores):
        best = np.argsort(-score)[:k]
        share = softmax(score[best]) if normal else softmax(score)[best]
        for number, factor in zip(best, share):
            y[row] += factor * expert(number, x[row])
    return y


@case("MoE")
def moe(random):
    x, scores = normal(random, 6, 8), normal(random, 6, 4)
    w1, b1, w2, b2 = (normal(random, *s) for s in ((4, 12, 8), (4, 12), (4, 8, 12), (4, 8)))
    y = mixture(x, scores, 2, False,
                lambda e, row: w2[e] @ tanh_gelu(w1[e] @ row + b1[e]) + b2[e])
    return (node("MoE", x, scores, *map(Weight, (w1, b1, w2, b2)), k=2, activation_type="gelu"),
            [y])


@case("MoESwiGLU")
def moe_swiglu(random):
    x, scores = normal(random, 6, 8), normal(random, 6, 4)
    w1, b1, w2 = (normal(random, *s) for s in ((4, 24, 8), (4, 24), (4, 8, 12)))

    def expert(e, row):
        h = w1[e] @ row + b1[e]
        gate, linear = np.minimum(h[0::2], 2), np.clip(h[1::2], -2, 2)
        return w2[e] @ (gate * sigmoid(np.float32(1.5) * gate) * (linear + 1))

    y = mixture(x, scores, 2, True, expert).astype(np.float32)
    return (node("MoE", x.reshape(2, 3, 8), scores, Weight(w1), Weight(b1), Weight(w2), k=2,
                 activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.5,
                 activation_beta=1.0, swiglu_limit=2.0, normalize_routing_weights=1),
            [y.reshape(2, 3, 8)])
