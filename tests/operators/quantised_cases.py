"""Cases of bytes and packed numbers; see operator_cases.py."""

import numpy as np

from case_support import *  # noqa: F403

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
