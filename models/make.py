#!/usr/bin/env python3
"""Makes the small models of the tests: model.onnx and test sets, beside this script.

usage: make.py [NAME...]      default: all; needs numpy and onnx (build/venv has them)

Weights and inputs are seeded, the expected outputs are onnx's reference evaluator's. Each model is
there for something that a single operator does not show; its two test sets differ in size wherever
a dimension is symbolic. digits/ is made by train_digits.py.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from graph import Graph
from testdata import write_model

HERE = os.path.dirname(os.path.abspath(__file__))
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
PRODUCER = "aicc models/make.py"


def floats(random, *shape):
    return random.normal(0, 1, shape).astype(np.float32)


def residual_cnn():
    """Convolutions with batch normalisation, a residual, a stride, any height and width."""
    g = Graph(1, PRODUCER)

    def block(x, name, inputs, outputs, stride):
        y = g.op(
            "Conv",
            x,
            g.weight(f"{name}.weight", outputs, inputs, 3, 3),
            strides=[stride] * 2,
            pads=[1] * 4,
        )
        random = g.random
        y = g.op(
            "BatchNormalization",
            y,
            g.const(f"{name}.scale", random.uniform(0.5, 1.5, outputs).astype(np.float32)),
            g.weight(f"{name}.shift", outputs, scale=0.1),
            g.weight(f"{name}.mean", outputs, scale=0.1),
            g.const(f"{name}.var", random.uniform(0.5, 1.5, outputs).astype(np.float32)),
        )
        return g.op("Relu", y)

    x = block("image", "stem", 3, 8, 2)
    x = g.op("Add", x, block(x, "residual", 8, 8, 1))
    x = block(x, "last", 8, 12, 2)
    x = g.op("ReduceMean", x, g.const("axes", np.array([2, 3])), keepdims=0)
    g.op(
        "Gemm", x, g.weight("head.weight", 5, 12), g.weight("head.bias", 5), transB=1, name="scores"
    )
    model = g.model(
        "residual_cnn",
        [("image", FLOAT, ["batch", 3, "height", "width"])],
        [("scores", FLOAT, ["batch", 5])],
    )
    return model, [[floats(g.random, 1, 3, 17, 23)], [floats(g.random, 3, 3, 32, 16)]]


def layer_norm(g, x, name, width):
    """As exporters without LayerNormalization write it."""
    axes = g.const("axes", np.array([-1]))
    centred = g.op("Sub", x, g.op("ReduceMean", x, axes))
    two = g.const(f"{name}.two", np.float32(2))
    variance = g.op("ReduceMean", g.op("Pow", centred, two), axes)
    deviation = g.op("Sqrt", g.op("Add", variance, g.const(f"{name}.eps", np.float32(1e-5))))
    scaled = g.op("Mul", g.op("Div", centred, deviation), g.weight(f"{name}.scale", width, scale=1))
    return g.op("Add", scaled, g.weight(f"{name}.shift", width, scale=0.1))


def gelu(g, x, name):
    half = g.op("Mul", x, g.const(f"{name}.half", np.float32(0.5)))
    root = g.op("Div", x, g.const(f"{name}.root2", np.float32(np.sqrt(2))))
    return g.op("Mul", half, g.op("Add", g.op("Erf", root), g.const(f"{name}.one", np.float32(1))))


def transformer():
    """One causal transformer block written in primitives; batch and sequence length symbolic."""
    g = Graph(2, PRODUCER)
    width, heads, vocabulary = 24, 3, 40
    split = g.const("split", np.array([0, 0, heads, width // heads]))
    x = g.op("Gather", g.weight("embedding", vocabulary, width, scale=1), "ids")
    h = layer_norm(g, x, "norm1", width)

    def part(name, perm):
        y = g.op("MatMul", h, g.weight(f"{name}.weight", width, width))
        return g.op("Transpose", g.op("Reshape", y, split), perm=perm)

    q, k, v = part("q", [0, 2, 1, 3]), part("k", [0, 2, 3, 1]), part("v", [0, 2, 1, 3])
    scores = g.op(
        "Mul", g.op("MatMul", q, k), g.const("scale", np.float32((width / heads) ** -0.5))
    )
    length = g.op("Shape", "ids", start=1, end=2)
    square = g.op("Concat", length, length, axis=0)
    ones = g.op("ConstantOfShape", square, value=numpy_helper.from_array(np.array([1], np.float32)))
    seen = g.op("Cast", g.op("Trilu", ones, upper=0), to=BOOL)
    scores = g.op("Where", seen, scores, g.const("masked", np.float32(-1e9)))
    y = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
    y = g.op(
        "Reshape",
        g.op("Transpose", y, perm=[0, 2, 1, 3]),
        g.const("merge", np.array([0, 0, width])),
    )
    x = g.op("Add", x, g.op("MatMul", y, g.weight("out.weight", width, width)))
    h = layer_norm(g, x, "norm2", width)
    h = g.op(
        "Add",
        g.op("MatMul", h, g.weight("up.weight", width, 4 * width)),
        g.weight("up.bias", 4 * width),
    )
    h = g.op("MatMul", gelu(g, h, "gelu"), g.weight("down.weight", 4 * width, width))
    x = layer_norm(g, g.op("Add", x, h), "norm3", width)
    g.op("MatMul", x, g.weight("head.weight", width, vocabulary), name="logits")
    model = g.model(
        "transformer",
        [("ids", INT64, ["batch", "seq"])],
        [("logits", FLOAT, ["batch", "seq", vocabulary])],
    )
    return model, [
        [g.random.integers(0, vocabulary, (2, 7))],
        [g.random.integers(0, vocabulary, (1, 1))],
    ]


def lstm_tagger():
    """A bidirectional LSTM over a symbolic number of steps, its last state as a second output."""
    g = Graph(3, PRODUCER)
    size, width = 6, 5
    y, state, _ = g.op(
        "LSTM",
        "steps",
        g.weight("w", 2, 4 * width, size),
        g.weight("r", 2, 4 * width, width),
        g.weight("b", 2, 8 * width),
        outputs=3,
        hidden_size=width,
        direction="bidirectional",
    )
    y = g.op("Transpose", y, perm=[0, 2, 1, 3])
    y = g.op("Reshape", y, g.const("merge", np.array([0, 0, 2 * width])))
    g.op("LogSoftmax", g.op("MatMul", y, g.weight("head", 2 * width, 4)), axis=-1, name="tags")
    g.op("Identity", state, name="state")
    model = g.model(
        "lstm_tagger",
        [("steps", FLOAT, ["time", "batch", size])],
        [("tags", FLOAT, ["time", "batch", 4]), ("state", FLOAT, [2, "batch", width])],
    )
    return model, [[floats(g.random, 9, 1, size)], [floats(g.random, 4, 3, size)]]


def newton_loop():
    """A Loop whose trip count and end depend on the data, inside a branch of an If."""
    g = Graph(4, PRODUCER)
    body = helper.make_graph(
        [
            helper.make_node("Div", ["x", "guess"], ["other"], "/body/div"),
            helper.make_node("Add", ["guess", "other"], ["sum"], "/body/add"),
            helper.make_node("Mul", ["sum", "half"], ["next"], "/body/mul"),
            helper.make_node("Sub", ["next", "guess"], ["step"], "/body/sub"),
            helper.make_node("Abs", ["step"], ["size"], "/body/abs"),
            helper.make_node("ReduceMax", ["size"], ["largest"], "/body/max", keepdims=0),
            helper.make_node("Greater", ["largest", "enough"], ["again"], "/body/greater"),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("guess", FLOAT, ["n"]),
        ],
        [
            helper.make_tensor_value_info("again", BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, ["n"]),
        ],
    )
    iterate = helper.make_graph(
        [helper.make_node("Loop", ["limit", "always", "x"], ["found"], "/root/loop", body=body)],
        "iterate",
        [],
        [helper.make_tensor_value_info("found", FLOAT, ["n"])],
    )
    refuse = helper.make_graph(
        [helper.make_node("Sub", ["x", "x"], ["zeros"], "/root/zeros")],
        "refuse",
        [],
        [helper.make_tensor_value_info("zeros", FLOAT, ["n"])],
    )
    g.const("half", np.float32(0.5))
    g.const("enough", np.float32(1e-4))
    g.const("limit", np.int64(40))
    g.const("always", np.bool_(True))
    least = g.op("ReduceMin", "x", keepdims=0)
    positive = g.op("Greater", least, g.const("zero", np.float32(0)))
    g.op("If", positive, name="root", then_branch=iterate, else_branch=refuse)
    model = g.model("newton_loop", [("x", FLOAT, ["n"])], [("root", FLOAT, ["n"])])
    return model, [[np.array([2, 9, 0.25], np.float32)], [np.array([4, -1], np.float32)]]


def detector_head():
    """What follows a detector's convolutions: Split, Sigmoid, TopK, Gather, and integer outputs."""
    g = Graph(5, PRODUCER)
    boxes, raw = g.op("Split", "anchors", g.const("parts", np.array([4, 6])), outputs=2, axis=2)
    scores = g.op("Sigmoid", raw)
    best = g.op("ReduceMax", scores, g.const("last", np.array([2])), keepdims=0)
    _, index = g.op("TopK", best, g.const("k", np.array([3])), outputs=2, axis=1)
    label = g.op("ArgMax", scores, axis=2, keepdims=0)
    g.op("GatherElements", label, index, axis=1, name="labels")
    wide = g.op("Unsqueeze", index, g.const("two", np.array([2])))
    size = g.op("Concat", g.op("Shape", wide), g.const("four", np.array([4])), axis=0)
    size = g.op("Slice", size, g.const("start", np.array([0])), g.const("end", np.array([2])))
    size = g.op("Concat", size, "four", axis=0)
    g.op("GatherElements", boxes, g.op("Expand", wide, size), axis=1, name="boxes")
    model = g.model(
        "detector_head",
        [("anchors", FLOAT, ["batch", "count", 10])],
        [("labels", INT64, ["batch", 3]), ("boxes", FLOAT, ["batch", 3, 4])],
    )
    return model, [[floats(g.random, 1, 11, 10)], [floats(g.random, 2, 5, 10)]]


def external_weights():
    """A perceptron whose weights lie in a file beside the model."""
    g = Graph(6, PRODUCER)
    x = g.op("Relu", g.op("Gemm", "x", g.weight("first", 32, 16), g.weight("bias", 32), transB=1))
    g.op("Gemm", x, g.weight("second", 8, 32), transB=1, name="y")
    model = g.model("external_weights", [("x", FLOAT, ["batch", 16])], [("y", FLOAT, ["batch", 8])])
    return model, [[floats(g.random, 1, 16)], [floats(g.random, 5, 16)]]


def quantised_cnn():
    """Products between DequantizeLinear and QuantizeLinear: padding that stands for a zero point,
    what a ReLU left, scales per channel and per tensor, a weight with a zero point, a depthwise
    filter. Scales are powers of two: every sum is exact, in any order."""
    g = Graph(7, PRODUCER)

    def scale(power):
        return g.const(f"scale{power}", np.float32(2.0**-power))

    def number(value, dtype):
        return g.const(f"{np.dtype(dtype).name}_{value}", dtype(value))

    def quantised(x, power, zero, dtype):
        pair = scale(power), number(zero, dtype)
        return g.op("DequantizeLinear", g.op("QuantizeLinear", x, *pair), *pair)

    def weight(name, *shape, zero=None, dtype=np.int8):
        """Bytes, with a scale for each channel, or with one scale and a zero point."""
        limits = np.iinfo(dtype)
        values = g.random.integers(limits.min, limits.max + 1, shape).astype(dtype)
        bytes_ = g.const(name, values)
        if zero is not None:
            return g.op("DequantizeLinear", bytes_, scale(9), number(zero, dtype))
        powers = g.random.integers(8, 11, shape[0])
        scales = g.const(f"{name}.scales", (2.0**-powers).astype(np.float32))
        zeros = g.const(f"{name}.zeros", np.zeros(shape[0], dtype))
        return g.op("DequantizeLinear", bytes_, scales, zeros, axis=0)

    def bias(name, size):
        return g.const(name, (g.random.integers(-64, 64, size) / 64).astype(np.float32))

    x = quantised("image", 5, 120, np.uint8)
    x = g.op("Conv", x, weight("stem", 8, 3, 3, 3), bias("stem.bias", 8), pads=[1] * 4)
    x = quantised(g.op("Relu", x), 5, -128, np.int8)
    wide = g.op("Conv", x, weight("wide", 16, 8, 3, 3), bias("wide.bias", 16), pads=[1] * 4)
    x = quantised(g.op("Relu", wide), 4, -128, np.int8)
    x = g.op("Conv", x, weight("depth", 16, 1, 3, 3), pads=[1] * 4, group=16)
    x = quantised(x, 3, 5, np.int8)
    x = g.op("Conv", x, weight("last", 12, 16, 3, 3, zero=3), pads=[1] * 4, strides=[2, 2])
    x = g.op("ReduceMax", x, g.const("axes", np.array([2, 3])), keepdims=0)
    x = quantised(x, 2, 0, np.uint8)
    x = g.op("MatMul", x, weight("middle", 12, 32, zero=131, dtype=np.uint8))
    x = quantised(x, 1, -3, np.int8)
    g.op("Gemm", x, weight("head", 5, 32), bias("head.bias", 5), transB=1, name="scores")
    model = g.model(
        "quantised_cnn",
        [("image", FLOAT, ["batch", 3, "height", "width"])],
        [("scores", FLOAT, ["batch", 5])],
        opset=21,
    )
    return model, [[floats(g.random, 1, 3, 9, 13)], [floats(g.random, 3, 3, 16, 8)]]


MODELS = [
    residual_cnn,
    transformer,
    lstm_tagger,
    newton_loop,
    detector_head,
    external_weights,
    quantised_cnn,
]


def main():
    names = sys.argv[1:]
    unknown = set(names) - {make.__name__ for make in MODELS}
    if unknown:
        sys.exit(f"error: no such model: {', '.join(sorted(unknown))}")
    for make in MODELS:
        if not names or make.__name__ in names:
            model, feeds = make()
            write_model(
                os.path.join(HERE, make.__name__), model, feeds, external=make is external_weights
            )
            print(f"{make.__name__}: {len(model.graph.node)} nodes")


main()
