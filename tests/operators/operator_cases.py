"""Operators that have no official cases, one function each: the node and what NumPy says it gives.

A function gets a seeded generator and returns (node(type, inputs.., attributes..), results). Inputs
are arrays; None: left out; Weight(array): a constant of the model. A result may be a list: a sequence.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

CASES = {}


@dataclass
class Weight:
    value: np.ndarray


@dataclass
class Node:
    type: str
    inputs: tuple
    attributes: dict
    domain: str
    free_lengths: bool  # also the lengths of vectors are names
    version: int        # of the standard's operators


def node(type, *inputs, domain="com.microsoft", free_lengths=False, version=21, **attributes):
    return Node(type, inputs, attributes, domain, free_lengths, version)


def case(name):
    def add(function):
        assert name not in CASES
        CASES[name] = function
        return function

    return add


def normal(random, *shape):
    return random.standard_normal(shape).astype(np.float32)


def erf(x):
    return np.vectorize(math.erf)(x.astype(np.float64)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return x * (1 + erf(x / np.float32(math.sqrt(2)))) / 2


def tanh_gelu(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + np.float32(0.044715) * x**3))) / 2


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x, scale, shift, epsilon):
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(epsilon))
    return centred / deviation * scale + shift


def rms_norm(x, scale, epsilon):
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + np.float32(epsilon)) * scale


def quantize(x, scale, zero):
    limits = np.iinfo(zero.dtype)
    return np.clip(np.rint(x / scale) + zero, limits.min, limits.max).astype(zero.dtype)


def dequantize(x, scale, zero):
    return (x.astype(np.float32) - np.float32(zero)) * scale


def quantize_dynamic(x):
    """x as u8 with its scale and zero point, as DynamicQuantizeLinear."""
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = (high - low) / np.float32(255) if high > low else np.float32(1)
    zero = np.clip(np.rint(-low / scale), 0, 255).astype(np.uint8)
    return quantize(x, scale, zero), scale, zero


def f32(value):
    return np.array(value, np.float32)


def u8(value):
    return np.array(value, np.uint8)


def bytes_of(random, *shape):
    return random.integers(0, 256, shape, dtype=np.uint8)


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


# --- attention ------------------------------------------------------------------------------------


def heads_of(x, heads):
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)


def attend(q, k, v, heads, causal=False, mask=None):
    q, k, v = (heads_of(x, heads) for x in (q, k, v))
    scores = np.matmul(q, k.transpose(0, 1, 3, 2)) / np.float32(math.sqrt(q.shape[-1]))
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, np.float32(-np.inf))
    if mask is not None:
        scores = scores + np.float32(-10000) * (1 - mask[:, None, None]).astype(np.float32)
    y = np.matmul(softmax(scores), v).transpose(0, 2, 1, 3)
    return y.reshape(y.shape[0], y.shape[1], -1)


@case("MultiHeadAttention")
def multi_head_attention(random):
    q, k, v = normal(random, 2, 5, 12), normal(random, 2, 7, 12), normal(random, 2, 7, 12)
    return node("MultiHeadAttention", q, k, v, num_heads=3), [attend(q, k, v, 3)]


@case("Attention")
def attention(random):
    x, w, b = normal(random, 2, 5, 12), normal(random, 12, 36), normal(random, 36)
    q, k, v = np.split(x @ w + b, 3, axis=-1)
    return node("Attention", x, Weight(w), Weight(b), num_heads=3), [attend(q, k, v, 3)]


@case("QAttention")
def q_attention(random):
    x, w, b = bytes_of(random, 2, 5, 12), bytes_of(random, 12, 36), normal(random, 36)
    mask = (np.arange(5) < [[3], [5]]).astype(np.int32)
    all = dequantize(x, f32(0.02), 120) @ dequantize(w, f32(0.005), 130) + b
    q, k, v = np.split(all, 3, axis=-1)
    y = attend(q, k, v, 3, mask=mask)
    return (node("QAttention", x, Weight(w), Weight(b), Weight(f32(0.02)), Weight(f32(0.005)), mask,
                 Weight(u8(120)), Weight(u8(130)), num_heads=3), [y])


@case("AttentionUnidirectional")
def attention_unidirectional(random):
    x, w, b = normal(random, 2, 37, 12), normal(random, 12, 36), normal(random, 36)
    q, k, v = np.split(x @ w + b, 3, axis=-1)
    return (node("Attention", x, Weight(w), Weight(b), num_heads=3, unidirectional=1),
            [attend(q, k, v, 3, causal=True)])


def rotate(x, angles):
    """Pairs (i, i + half) of x[batch, heads, positions, width] by angles[batch, positions, half]."""
    half = angles.shape[-1]
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return np.concatenate([a * c - b * s, a * s + b * c, rest], axis=-1)


def group_attend(q, k, v, past_key, past_value, lengths, total, window=None, cap=0, sinks=None,
                 angles=None):
    """q[B,H,S,D], k and v[B,G,S,D], pasts [B,G,P,D], the last key of each row: y and both presents."""
    batch, heads, new, width = q.shape
    before = np.maximum(lengths + 1 - new, 0)
    positions = before[:, None] + np.arange(new)
    if angles is not None:
        q, k = rotate(q, angles[positions]), rotate(k, angles[positions])
    presents = []
    for past, news in ((past_key, k), (past_value, v)):
        present = np.zeros((*past.shape[:2], max(past.shape[2], total), width), np.float32)
        for row in range(batch):
            at = before[row]
            present[row, :, :at] = past[row, :, :at]
            present[row, :, at : at + new] = news[row]
        presents.append(present)
    key, value = (np.repeat(x, heads // x.shape[1], axis=1) for x in presents)
    scores = np.matmul(q, key.transpose(0, 1, 3, 2)) / np.float32(math.sqrt(width))
    scores = np.float32(cap) * np.tanh(scores / np.float32(cap)) if cap else scores
    at = np.arange(key.shape[2])
    shown = at <= np.minimum(positions, lengths[:, None])[..., None]
    if window is not None:
        shown &= at > positions[..., None] - window
    scores = np.where(shown[:, None], scores, np.float32(-np.inf))
    if sinks is not None:  # a key without a value
        sink = np.broadcast_to(sinks[:, None, None], (*scores.shape[:3], 1))
        weights = softmax(np.concatenate([scores, sink], axis=-1))[..., :-1]
    else:
        weights = softmax(scores)
    y = np.matmul(weights, value).transpose(0, 2, 1, 3).reshape(batch, new, -1)
    return [y.astype(np.float32), *presents]


def row_lengths(*last):
    return np.array(last, np.int32)


@case("GroupQueryAttention")
def group_query_attention(random):
    q, k, v = normal(random, 2, 5, 32), normal(random, 2, 5, 16), normal(random, 2, 5, 16)
    empty, last = np.zeros((2, 2, 0, 8), np.float32), row_lengths(4, 2)  # the second row is padded
    angles = normal(random, 16, 4)
    expected = group_attend(heads_of(q, 4), heads_of(k, 2), heads_of(v, 2), empty, empty, last, 5,
                            angles=angles, window=3)
    return (node("GroupQueryAttention", q, k, v, empty, empty, last, np.array(5, np.int32),
                 Weight(np.cos(angles)), Weight(np.sin(angles)), num_heads=4, kv_num_heads=2,
                 do_rotary=1, local_window_size=3), expected)


@case("GroupQueryAttentionStep")
def group_query_attention_step(random):
    # Rows of different lengths in a buffer that has room; q, k and v in one operand.
    packed = normal(random, 2, 1, 64)
    q, k, v = packed[..., :32], packed[..., 32:48], packed[..., 48:]
    past_key, past_value = normal(random, 2, 2, 9, 8), normal(random, 2, 2, 9, 8)
    last, angles = row_lengths(6, 3), normal(random, 16, 3)  # the last pair is not rotated
    expected = group_attend(heads_of(q, 4), heads_of(k, 2), heads_of(v, 2), past_key, past_value,
                            last, 7, angles=angles, cap=2)
    return (node("GroupQueryAttention", packed, None, None, past_key, past_value, last,
                 np.array(7, np.int32), Weight(np.cos(angles)), Weight(np.sin(angles)), num_heads=4,
                 kv_num_heads=2, do_rotary=1, softcap=2.0), expected)


@case("GroupQueryAttentionWindowed")
def group_query_attention_windowed(random):
    """A cache of the last tokens: a step of 3 after 7 in room for 6 with a window of 4."""
    window, room, before, new = 4, 6, 7, 3

    def first_kept(tokens):
        step = room - window + 1
        return step * max(0, -(-(tokens - room) // step))

    full = [normal(random, 1, 2, before + new, 8) for _ in range(2)]  # keys and values of all tokens
    q, first, total = normal(random, 1, new, 32), first_kept(before), before + new
    pasts = []
    for x in full:
        past = np.zeros((1, 2, room, 8), np.float32)
        past[:, :, : before - first] = x[:, :, first:before]
        pasts.append(past)
    y, *_ = group_attend(heads_of(q, 4), *(x[:, :, before:] for x in full),
                         *(x[:, :, :before] for x in full), row_lengths(total - 1), total,
                         window=window)
    presents = []
    for x in full:
        present = np.zeros((1, 2, room, 8), np.float32)
        present[:, :, : total - first_kept(total)] = x[:, :, first_kept(total) :]
        presents.append(present)
    news = [x[:, :, before:].transpose(0, 2, 1, 3).reshape(1, new, 16) for x in full]
    return (node("GroupQueryAttention", q, *news, *pasts, row_lengths(total - 1),
                 np.array(total, np.int32), num_heads=4, kv_num_heads=2, local_window_size=window,
                 sliding_window_cache=1), [y, *presents])


@case("GroupQueryAttentionBothWays")
def group_query_attention_both_ways(random):
    q, k, v = normal(random, 2, 5, 32), normal(random, 2, 5, 16), normal(random, 2, 5, 16)
    y = attend(q, *(np.repeat(heads_of(x, 2), 2, axis=1).transpose(0, 2, 1, 3).reshape(2, 5, 32)
                    for x in (k, v)), 4)
    return (node("GroupQueryAttention", q, k, v, None, None, row_lengths(4, 4),
                 np.array(5, np.int32), num_heads=4, kv_num_heads=2, causal=0),
            [y, heads_of(k, 2), heads_of(v, 2)])


@case("GroupQueryAttentionSinks")
def group_query_attention_sinks(random):
    q, k, v = normal(random, 2, 3, 32), normal(random, 2, 3, 16), normal(random, 2, 3, 16)
    past_key, past_value = normal(random, 2, 2, 4, 8), normal(random, 2, 2, 4, 8)
    last, sinks = row_lengths(6, 6), normal(random, 4)
    expected = group_attend(heads_of(q, 4), heads_of(k, 2), heads_of(v, 2), past_key, past_value,
                            last, 7, sinks=sinks)
    return (node("GroupQueryAttention", q, k, v, past_key, past_value, last, np.array(7, np.int32),
                 None, None, None, None, Weight(sinks), num_heads=4, kv_num_heads=2), expected)


@case("RotaryEmbedding")
def rotary_embedding(random):
    x = normal(random, 2, 3, 4, 8)  # batch, heads, positions, width
    angles = normal(random, 10, 4)
    positions = np.tile(np.arange(2, 6, dtype=np.int64), (2, 1))
    c, s = (f(angles)[positions][:, None] for f in (np.cos, np.sin))
    a, b = np.split(x, 2, axis=-1)
    y = np.concatenate([a * c - b * s, a * s + b * c], axis=-1)
    return node("RotaryEmbedding", x, positions, Weight(np.cos(angles)), Weight(np.sin(angles))), [y]


# --- quantised ------------------------------------------------------------------------------------


@case("QuantizeLinear")
def quantize_linear(random):
    x = normal(random, 3, 20)
    return node("QuantizeLinear", x, f32(0.02), u8(120)), [quantize(x, f32(0.02), u8(120))]


@case("DequantizeLinear")
def dequantize_linear(random):
    x = bytes_of(random, 3, 20)
    return node("DequantizeLinear", x, f32(0.02), u8(120)), [dequantize(x, f32(0.02), 120)]


def q_binary(name, function):
    @case(name)
    def run(random):
        a, b = bytes_of(random, 3, 20), bytes_of(random, 3, 20)
        y = function(dequantize(a, f32(0.03), 100), dequantize(b, f32(0.05), 130))
        scales = [Weight(f32(0.03)), Weight(u8(100)), Weight(f32(0.05)), Weight(u8(130))]
        inputs = [a, *scales[:2], b, *scales[2:], Weight(f32(0.25)), Weight(u8(90))]
        return node(name, *inputs), [quantize(y, f32(0.25), u8(90))]


q_binary("QLinearAdd", np.add)
q_binary("QLinearMul", np.multiply)


def q_unary(name, function, scale, zero, **attributes):
    @case(name)
    def run(random):
        x = bytes_of(random, 3, 20)
        y = function(dequantize(x, f32(0.03), 128))
        inputs = [x, Weight(f32(0.03)), Weight(u8(128)), Weight(f32(scale)), Weight(u8(zero))]
        return node(name, *inputs, **attributes), [quantize(y, f32(scale), u8(zero))]


q_unary("QLinearSigmoid", sigmoid, 1 / 256, 0)
q_unary("QLinearLeakyRelu", lambda x: np.where(x < 0, np.float32(0.1) * x, x), 0.02, 60, alpha=0.1)
q_unary("QLinearSoftmax", softmax, 1 / 256, 0, axis=-1, opset=13)


@case("QLinearGlobalAveragePool")
def q_linear_global_average_pool(random):
    x = bytes_of(random, 2, 3, 4, 5)
    y = dequantize(x, f32(0.03), 128).mean(axis=(2, 3), keepdims=True)
    inputs = [x, Weight(f32(0.03)), Weight(u8(128)), Weight(f32(0.01)), Weight(u8(128))]
    return (node("QLinearGlobalAveragePool", *inputs, channels_last=0),
            [quantize(y, f32(0.01), u8(128))])


@case("QLinearConcat")
def q_linear_concat(random):
    a, b = bytes_of(random, 3, 4), bytes_of(random, 3, 6)
    y = np.concatenate([dequantize(a, f32(0.03), 100), dequantize(b, f32(0.05), 130)], axis=1)
    inputs = [Weight(f32(0.05)), Weight(u8(120)), a, Weight(f32(0.03)), Weight(u8(100)),
              b, Weight(f32(0.05)), Weight(u8(130))]
    return node("QLinearConcat", *inputs, axis=1), [quantize(y, f32(0.05), u8(120))]


@case("QLinearAveragePool")
def q_linear_average_pool(random):
    """Windows of 2 x 2 that step by 2, the last row beyond the image, which does not count."""
    x = bytes_of(random, 2, 3, 5, 4)
    wide = dequantize(x, f32(1 / 32), 128)
    y = np.stack([wide[:, :, 2 * i : 2 * i + 2].reshape(2, 3, -1, 2, 2).mean(axis=(2, 4))
                  for i in range(3)], axis=2)
    inputs = [x, Weight(f32(1 / 32)), Weight(u8(128)), Weight(f32(1 / 64)), Weight(u8(120))]
    return (node("QLinearAveragePool", *inputs, kernel_shape=[2, 2], strides=[2, 2],
                 pads=[0, 0, 1, 0]), [quantize(y, f32(1 / 64), u8(120))])


@case("QLinearAveragePool-channels-last")
def q_linear_average_pool_last(random):
    x = bytes_of(random, 2, 4, 6, 3)
    y = dequantize(x, f32(1 / 32), 128).reshape(2, 2, 2, 3, 2, 3).mean(axis=(2, 4))
    inputs = [x, Weight(f32(1 / 32)), Weight(u8(128)), Weight(f32(1 / 64)), Weight(u8(120))]
    return (node("QLinearAveragePool", *inputs, kernel_shape=[2, 2], strides=[2, 2],
                 channels_last=1), [quantize(y, f32(1 / 64), u8(120))])


@case("NhwcMaxPool")
def nhwc_max_pool(random):
    x = bytes_of(random, 2, 4, 6, 3)
    return (node("NhwcMaxPool", x, kernel_shape=[2, 2], strides=[2, 2]),
            [x.reshape(2, 2, 2, 3, 2, 3).max(axis=(2, 4))])


@case("QLinearWhere")
def q_linear_where(random):
    choose, x, y = random.random((3, 1)) < 0.5, bytes_of(random, 3, 4), bytes_of(random, 4)
    z = np.where(choose, dequantize(x, f32(1 / 32), 100), dequantize(y, f32(0.05), 130))
    inputs = [x, Weight(f32(1 / 32)), Weight(u8(100)), y, Weight(f32(0.05)), Weight(u8(130)),
              Weight(f32(0.05)), Weight(u8(120))]
    return node("QLinearWhere", choose, *inputs), [quantize(z, f32(0.05), u8(120))]


@case("QLinearConv")
def q_linear_conv(random):
    """Channels last; a convolution of 1 x 1 is a product."""
    x, w = bytes_of(random, 2, 4, 5, 6), bytes_of(random, 3, 6, 1, 1)
    bias = random.integers(-500, 500, 3).astype(np.int32)
    total = (x.astype(np.int32) - 120) @ (w[:, :, 0, 0].astype(np.int32).T - 130) + bias
    y = quantize(total.astype(np.float32) * np.float32(1 / 64 * 1 / 32), f32(1 / 8), u8(100))
    inputs = [x, *(Weight(v) for v in (f32(1 / 64), u8(120), w, f32(1 / 32), u8(130), f32(1 / 8), u8(100),
                                       bias))]
    return node("QLinearConv", *inputs, channels_last=1), [y]


@case("QGemm")
def q_gemm(random):
    a, b = bytes_of(random, 4, 6), bytes_of(random, 6, 5)
    bias = random.integers(-500, 500, 5).astype(np.int32)
    total = (a.astype(np.int32) - 120) @ (b.astype(np.int32) - 130) + bias
    y = total.astype(np.float32) * np.float32(0.02 * 0.03)
    inputs = [a, Weight(f32(0.02)), Weight(u8(120)), Weight(b), Weight(f32(0.03)), Weight(u8(130)),
              Weight(bias)]
    return node("QGemm", *inputs), [y]


@case("MatMulIntegerToFloat")
def matmul_integer_to_float(random):
    a, b = bytes_of(random, 4, 6), bytes_of(random, 6, 5)
    total = (a.astype(np.int32) - 120) @ (b.astype(np.int32) - 130)
    y = total.astype(np.float32) * np.float32(0.02 * 0.03)
    inputs = [a, Weight(b), Weight(f32(0.02)), Weight(f32(0.03)), Weight(u8(120)), Weight(u8(130))]
    return node("MatMulIntegerToFloat", *inputs), [y]


@case("DynamicQuantizeMatMul")
def dynamic_quantize_matmul(random):
    a, b = normal(random, 4, 6), bytes_of(random, 6, 5)
    q, scale, zero = quantize_dynamic(a)
    total = (q.astype(np.int32) - int(zero)) @ (b.astype(np.int32) - 130)
    y = total.astype(np.float32) * (scale * np.float32(0.03))
    return node("DynamicQuantizeMatMul", a, Weight(b), Weight(f32(0.03)), Weight(u8(130))), [y]


def dynamic_product(x, weight, scale, zero):
    q, x_scale, x_zero = quantize_dynamic(x)
    total = (q.astype(np.int32) - int(x_zero)) @ (weight.astype(np.int32) - zero.astype(np.int32))
    return total.astype(np.float32) * (x_scale * scale)


def dynamic_lstm(x, w, r, bias, w_scale, w_zero, r_scale, r_zero):
    """One direction of DynamicQuantizeLSTM: all hidden states and the last cell state."""
    steps, batch, width = x.shape
    hidden = r.shape[0]
    gates = dynamic_product(x.reshape(-1, width), w, w_scale, w_zero).reshape(steps, batch, -1)
    h, c, states = np.zeros((batch, hidden), np.float32), np.zeros((batch, hidden), np.float32), []
    for step in range(steps):
        total = gates[step] + bias[: 4 * hidden] + bias[4 * hidden :]
        i, o, f, g = np.split(total + dynamic_product(h, r, r_scale, r_zero), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states), c


@case("DynamicQuantizeLSTM")
def dynamic_quantize_lstm(random):
    x, hidden = normal(random, 3, 2, 5), 4
    w, r = bytes_of(random, 1, 5, 4 * hidden), bytes_of(random, 1, hidden, 4 * hidden)
    bias, rest = normal(random, 1, 8 * hidden), [f32([0.01]), u8([120]), f32([0.02]), u8([130])]
    states, c = dynamic_lstm(x, w[0], r[0], bias[0], *rest)
    inputs = [Weight(v) for v in (w, r, bias)] + [None] * 4 + [Weight(v) for v in rest]
    results = [states[:, None], states[-1][None], c[None]]
    return node("DynamicQuantizeLSTM", x, *inputs, hidden_size=hidden), results


@case("DynamicQuantizeLSTM-bidirectional")
def dynamic_quantize_lstm_bidirectional(random):
    """Signed weights with a scale for each column."""
    x, hidden = normal(random, 4, 2, 5), 3
    w = random.integers(-128, 128, (2, 5, 4 * hidden), dtype=np.int8)
    r = random.integers(-128, 128, (2, hidden, 4 * hidden), dtype=np.int8)
    bias = normal(random, 2, 8 * hidden)
    scales = [np.abs(normal(random, 2, 4 * hidden)) / np.float32(50) for _ in range(2)]
    zeros = np.zeros((2, 4 * hidden), np.int8)
    rest = [scales[0], zeros, scales[1], zeros]
    both = [dynamic_lstm(np.flip(x, 0) if d else x, w[d], r[d], bias[d], *(v[d] for v in rest))
            for d in range(2)]
    all_states = np.stack([both[0][0], np.flip(both[1][0], 0)], axis=1)
    inputs = [Weight(v) for v in (w, r, bias)] + [None] * 4 + [Weight(v) for v in rest]
    results = [all_states, np.stack([s[-1] for s, _ in both]), np.stack([c for _, c in both])]
    return node("DynamicQuantizeLSTM", x, *inputs, hidden_size=hidden,
                direction="bidirectional"), results


@case("MatMulNBits")
def matmul_nbits(random):
    inner, columns, block = 32, 5, 16
    a = normal(random, 3, inner)
    packed = bytes_of(random, columns, inner // block, block // 2)
    scales = np.abs(normal(random, columns, inner // block)) + np.float32(0.1)
    values = np.stack([packed & 15, packed >> 4], axis=-1).reshape(columns, inner // block, block)
    b = ((values.astype(np.float32) - 8) * scales[:, :, None]).reshape(columns, inner)
    inputs = [a, Weight(packed), Weight(scales.reshape(-1))]
    return node("MatMulNBits", *inputs, K=inner, N=columns, bits=4, block_size=block), [a @ b.T]


def nibbles(packed):
    """The two halves of each byte of the last dimension, low ones first."""
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)


@case("MatMulNBitsGroups")
def matmul_nbits_groups(random):
    a, packed = normal(random, 3, 32), bytes_of(random, 5, 2, 8)
    scales, zeros = np.abs(normal(random, 5, 2)) + np.float32(0.1), bytes_of(random, 5, 1)
    groups = random.permutation(np.arange(32) // 16).astype(np.int32)
    q, zero = nibbles(packed.reshape(5, 16)), nibbles(zeros)[:, groups]
    b = (q.astype(np.float32) - zero) * scales[:, groups]
    return (node("MatMulNBits", a, Weight(packed), Weight(scales.reshape(-1)), Weight(zeros),
                 Weight(groups), K=32, N=5, bits=4, block_size=16), [a @ b.T])


@case("MatMulBnb4")
def matmul_bnb4(random):
    table = f32([-1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0,
                 0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1])
    a, packed = normal(random, 3, 32), bytes_of(random, 5 * 32 // 2)
    most = np.abs(normal(random, 5 * 32 // 16))
    codes = np.stack([packed >> 4, packed & 15], axis=-1).reshape(-1)
    b = (table[codes] * np.repeat(most, 16)).reshape(5, 32)
    return (node("MatMulBnb4", a, Weight(packed), Weight(most), K=32, N=5, block_size=16,
                 quant_type=1), [a @ b.T])


@case("GatherBlockQuantized")
def gather_block_quantized(random):
    table, zeros = bytes_of(random, 9, 16), bytes_of(random, 9, 1)
    scales, at = np.abs(normal(random, 9, 2)), random.integers(0, 9, (2, 3))
    q = nibbles(table).astype(np.float32) - np.repeat(nibbles(zeros), 16, axis=1)
    return (node("GatherBlockQuantized", Weight(table), at, Weight(scales), Weight(zeros),
                 gather_axis=0, quantize_axis=1, block_size=16, bits=4),
            [(q * np.repeat(scales, 16, axis=1))[at]])


@case("GatherBlockQuantizedBytes")
def gather_block_quantized_bytes(random):
    table, scales = bytes_of(random, 9, 32), np.abs(normal(random, 9, 2))
    at = random.integers(0, 9, (2, 3))
    y = ((table.astype(np.float32) - 128) * np.repeat(scales, 16, axis=1))[at]
    return (node("GatherBlockQuantized", Weight(table), at, Weight(scales), quantize_axis=1,
                 block_size=16, bits=8), [y])


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


def nbits_words(random, rows, columns, inner, block, zeros):
    """Blocks of whole words in f16, which GPUs have kernels of their own for; numbers that f16 holds."""
    a = random.integers(-8, 9, (rows, inner)).astype(np.float16) / np.float16(8)
    packed = bytes_of(random, columns, inner // block, block // 2)
    scales = random.integers(1, 9, (columns, inner // block)).astype(np.float16) / np.float16(64)
    values = np.stack([packed & 15, packed >> 4], axis=-1).reshape(columns, inner // block, block)
    points = np.full((columns, inner // block), 8)
    inputs = [a, Weight(packed), Weight(scales.reshape(-1))]
    if zeros:
        points = random.integers(0, 16, points.shape)
        inputs.append(Weight(u8(points[:, 0::2] | points[:, 1::2] << 4).reshape(-1)))
    b = (values - points[:, :, None]) * scales[:, :, None].astype(np.float64)
    y = (a.astype(np.float64) @ b.reshape(columns, inner).T).astype(np.float16)
    return node("MatMulNBits", *inputs, K=inner, N=columns, bits=4, block_size=block), [y]


@case("MatMulNBits-few")
def matmul_nbits_few(random):
    return nbits_words(random, 3, 20, 512, 32, False)


@case("MatMulNBits-many")
def matmul_nbits_many(random):
    return nbits_words(random, 80, 24, 256, 64, True)


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
