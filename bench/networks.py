"""The networks of the benchmark at their published sizes, with seeded random weights.

Graphs as exporters write them (batch normalisation folded, GELU as a chain, a KV cache in and
out), for those who do not have the exported ones. Random weights keep unit variance, so the
outputs are finite and not constant, but mean nothing; a network's speed does not depend on what
it has learned.
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models"))
from graph import Graph  # noqa: E402

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
IMAGE = [("image", FLOAT, ["batch", 3, 224, 224])]
LOGITS = [("logits", FLOAT, ["batch", 1000])]


class Network(Graph):
    """The layers that several of the networks share."""

    def __init__(self, name):
        super().__init__(sum(name.encode()), "aicc bench/networks.py")
        self.name = name

    def conv(self, x, name, inputs, outputs, kernel, stride=1, groups=1, gain=2.0):
        weight = self.weight(
            f"{name}.weight",
            outputs,
            inputs // groups,
            kernel,
            kernel,
            scale=np.sqrt(gain * groups / (inputs * kernel * kernel)),
        )
        pad = kernel // 2 if stride == 1 or kernel % 2 else 0
        return self.op(
            "Conv",
            x,
            weight,
            self.weight(f"{name}.bias", outputs, scale=0.05),
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            group=groups,
        )

    def linear(self, x, name, inputs, outputs):
        y = self.op(
            "MatMul", x, self.weight(f"{name}.weight", inputs, outputs, scale=1 / np.sqrt(inputs))
        )
        return self.op("Add", y, self.weight(f"{name}.bias", outputs, scale=0.05))

    def gemm(self, x, layer, inputs, outputs, **attributes):
        return self.op(
            "Gemm",
            x,
            self.weight(f"{layer}.weight", outputs, inputs),
            self.weight(f"{layer}.bias", outputs, scale=0.05),
            transB=1,
            **attributes,
        )

    def norm(self, x, name, width, eps=1e-5):
        scale = self.const(f"{name}.scale", np.ones(width, np.float32))
        return self.op(
            "LayerNormalization",
            x,
            scale,
            self.weight(f"{name}.bias", width, scale=0.05),
            axis=-1,
            epsilon=eps,
        )

    def number(self, value):
        return self.const(f"number.{value:.6g}", np.float32(value))

    def ints(self, *values):
        return self.const("ints." + "_".join(map(str, values)), np.array(values, np.int64))

    def silu(self, x):
        return self.op("Mul", x, self.op("Sigmoid", x))

    def gelu(self, x):
        y = self.op("Erf", self.op("Div", x, self.number(np.sqrt(2))))
        y = self.op("Mul", x, self.op("Add", y, self.number(1)))
        return self.op("Mul", y, self.number(0.5))

    def gelu_tanh(self, x):
        cube = self.op("Pow", x, self.number(3))
        inner = self.op("Add", x, self.op("Mul", cube, self.number(0.044715)))
        y = self.op("Tanh", self.op("Mul", inner, self.number(np.sqrt(2 / np.pi))))
        return self.op(
            "Mul", self.op("Mul", x, self.number(0.5)), self.op("Add", y, self.number(1))
        )

    def mean(self, x, keep=1):
        return self.op("ReduceMean", x, self.ints(2, 3), keepdims=keep)

    def heads(self, x, count, width, perm):
        return self.op(
            "Transpose", self.op("Reshape", x, self.ints(0, -1, count, width // count)), perm=perm
        )

    def attend(self, q, k, v, width, count, mask=None):
        """softmax(q k / sqrt d + mask) v on split heads; k comes transposed."""
        scores = self.op("Mul", self.op("MatMul", q, k), self.number((width / count) ** -0.5))
        if mask:
            scores = self.op("Add", scores, mask)
        y = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        return self.op(
            "Reshape", self.op("Transpose", y, perm=[0, 2, 1, 3]), self.ints(0, -1, width)
        )

    def self_attention(self, x, name, width, count, mask=None):
        q, k, v = (self.linear(x, f"{name}.{part}", width, width) for part in "qkv")
        q, v = (self.heads(t, count, width, [0, 2, 1, 3]) for t in (q, v))
        k = self.heads(k, count, width, [0, 2, 3, 1])
        return self.linear(self.attend(q, k, v, width, count, mask), f"{name}.out", width, width)

    def classify(self, x, width):
        self.gemm(x, "head", width, 1000, name="logits")
        return self.model(self.name, IMAGE, LOGITS)


def resnet50():
    g = Network("resnet50")
    x = g.op("Relu", g.conv("image", "stem", 3, 64, 7, 2))
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    width = 64
    for stage, (inner, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(depth):
            name, stride = f"stage{stage}.{block}", 2 if stage and not block else 1
            y = g.op("Relu", g.conv(x, f"{name}.1", width, inner, 1))
            y = g.op("Relu", g.conv(y, f"{name}.2", inner, inner, 3, stride))
            y = g.conv(y, f"{name}.3", inner, 4 * inner, 1, gain=0.2)
            if not block:
                x = g.conv(x, f"{name}.shortcut", width, 4 * inner, 1, stride, gain=1)
            x, width = g.op("Relu", g.op("Add", x, y)), 4 * inner
    return g.classify(g.op("Flatten", g.op("GlobalAveragePool", x)), width)


MOBILENET = (
    (3, 16, 16, True, "Relu", 2),
    (3, 72, 24, False, "Relu", 2),
    (3, 88, 24, False, "Relu", 1),
    (5, 96, 40, True, "HardSwish", 2),
    (5, 240, 40, True, "HardSwish", 1),
    (5, 240, 40, True, "HardSwish", 1),
    (5, 120, 48, True, "HardSwish", 1),
    (5, 144, 48, True, "HardSwish", 1),
    (5, 288, 96, True, "HardSwish", 2),
    (5, 576, 96, True, "HardSwish", 1),
    (5, 576, 96, True, "HardSwish", 1),
)


def mobilenetv3_small():
    g = Network("mobilenetv3_small")
    x, width = g.op("HardSwish", g.conv("image", "stem", 3, 16, 3, 2)), 16
    for n, (kernel, wide, outputs, squeeze, act, stride) in enumerate(MOBILENET):
        y = x
        if wide != width:
            y = g.op(act, g.conv(y, f"{n}.expand", width, wide, 1))
        y = g.op(act, g.conv(y, f"{n}.depth", wide, wide, kernel, stride, groups=wide))
        if squeeze:
            small = max(8, (wide // 4 + 4) // 8 * 8)
            s = g.op("Relu", g.conv(g.mean(y), f"{n}.squeeze", wide, small, 1))
            s = g.conv(s, f"{n}.excite", small, wide, 1)
            y = g.op("Mul", g.op("HardSigmoid", s, alpha=1 / 6, beta=0.5), y)
        y = g.conv(y, f"{n}.project", wide, outputs, 1, gain=1)
        x, width = g.op("Add", x, y) if stride == 1 and width == outputs else y, outputs
    x = g.mean(g.op("HardSwish", g.conv(x, "last", 96, 576, 1)))
    x = g.op("HardSwish", g.gemm(g.op("Flatten", x), "neck", 576, 1024))
    return g.classify(x, 1024)


EFFICIENTNET = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def efficientnet_b0():
    g = Network("efficientnet_b0")
    x, width = g.silu(g.conv("image", "stem", 3, 32, 3, 2)), 32
    for stage, (expand, kernel, stride, outputs, depth) in enumerate(EFFICIENTNET):
        for block in range(depth):
            name, step, wide, y = f"{stage}.{block}", 1 if block else stride, width * expand, x
            if expand > 1:
                y = g.silu(g.conv(y, f"{name}.expand", width, wide, 1))
            y = g.silu(g.conv(y, f"{name}.depth", wide, wide, kernel, step, groups=wide))
            s = g.silu(g.conv(g.mean(y), f"{name}.squeeze", wide, width // 4, 1))
            y = g.op("Mul", y, g.op("Sigmoid", g.conv(s, f"{name}.excite", width // 4, wide, 1)))
            y = g.conv(y, f"{name}.project", wide, outputs, 1, gain=1)
            x, width = g.op("Add", x, y) if step == 1 and width == outputs else y, outputs
    x = g.op("Flatten", g.mean(g.silu(g.conv(x, "last", 320, 1280, 1))))
    return g.classify(x, 1280)


def convnext_tiny():
    g = Network("convnext_tiny")

    def last(x):
        return g.op("Transpose", x, perm=[0, 2, 3, 1])

    def first(x):
        return g.op("Transpose", x, perm=[0, 3, 1, 2])

    x = first(g.norm(last(g.conv("image", "stem", 3, 96, 4, 4)), "stem.norm", 96, 1e-6))
    for stage, (width, depth) in enumerate(((96, 3), (192, 3), (384, 9), (768, 3))):
        if stage:
            x = first(g.norm(last(x), f"{stage}.norm", width // 2, 1e-6))
            x = g.conv(x, f"{stage}.down", width // 2, width, 2, 2, gain=1)
        for block in range(depth):
            name = f"{stage}.{block}"
            y = last(g.conv(x, f"{name}.depth", width, width, 7, groups=width, gain=1))
            y = g.norm(y, f"{name}.norm", width, 1e-6)
            y = g.gelu(g.linear(y, f"{name}.up", width, 4 * width))
            y = g.linear(y, f"{name}.down", 4 * width, width)
            x = g.op("Add", x, first(g.op("Mul", y, g.weight(f"{name}.scale", width, scale=0.3))))
    return g.classify(g.norm(g.mean(x, keep=0), "head.norm", 768, 1e-6), 768)


def vit_base_patch16_224():
    g, width = Network("vit_base_patch16_224"), 768
    x = g.conv("image", "patches", 3, width, 16, 16, gain=1)
    x = g.op("Transpose", g.op("Reshape", x, g.ints(0, width, -1)), perm=[0, 2, 1])
    batch = g.op("Shape", "image", start=0, end=1)
    token = g.op(
        "Expand", g.weight("class", 1, 1, width), g.op("Concat", batch, g.ints(1, 1), axis=0)
    )
    x = g.op("Concat", token, x, axis=1)
    x = g.op("Add", x, g.weight("positions", 1, 197, width, scale=0.1))
    for layer in range(12):
        y = g.norm(x, f"{layer}.norm1", width, 1e-6)
        x = g.op("Add", x, g.self_attention(y, f"{layer}", width, 12))
        y = g.gelu(
            g.linear(g.norm(x, f"{layer}.norm2", width, 1e-6), f"{layer}.up", width, 4 * width)
        )
        x = g.op("Add", x, g.linear(y, f"{layer}.down", 4 * width, width))
    x = g.op("Gather", g.norm(x, "norm", width, 1e-6), g.const("zero", np.int64(0)), axis=1)
    return g.classify(x, width)


def bert_base():
    g, width = Network("bert_base"), 768
    words = g.op("Gather", g.weight("words", 30522, width, scale=0.5), "input_ids")
    kinds = g.op("Gather", g.weight("kinds", 2, width, scale=0.5), "token_type_ids")
    length = g.op("Shape", "input_ids", start=1, end=2)
    places = g.op(
        "Slice", g.weight("places", 1, 512, width, scale=0.5), g.ints(0), length, g.ints(1)
    )
    x = g.norm(g.op("Add", g.op("Add", words, kinds), places), "norm", width, 1e-12)
    mask = g.op("Cast", g.op("Unsqueeze", "attention_mask", g.ints(1, 2)), to=FLOAT)
    mask = g.op("Mul", g.op("Sub", g.number(1), mask), g.number(-1e9))
    for layer in range(12):
        y = g.op("Add", x, g.self_attention(x, f"{layer}", width, 12, mask))
        x = g.norm(y, f"{layer}.norm1", width, 1e-12)
        y = g.gelu(g.linear(x, f"{layer}.up", width, 4 * width))
        y = g.op("Add", x, g.linear(y, f"{layer}.down", 4 * width, width))
        x = g.norm(y, f"{layer}.norm2", width, 1e-12)
    g.op("Identity", x, name="last_hidden_state")
    first = g.op("Gather", x, g.const("zero", np.int64(0)), axis=1)
    g.op("Tanh", g.gemm(first, "pooler", width, width), name="pooler_output")
    names = ("input_ids", "attention_mask", "token_type_ids")
    return g.model(
        "bert_base",
        [(n, INT64, ["batch", "seq"]) for n in names],
        [
            ("last_hidden_state", FLOAT, ["batch", "seq", width]),
            ("pooler_output", FLOAT, ["batch", width]),
        ],
    )


def gpt2():
    g, width, count, layers = Network("gpt2"), 768, 12, 12
    table = g.weight("words", 50257, width, scale=0.3)
    x = g.op(
        "Add",
        g.op("Gather", table, "input_ids"),
        g.op("Gather", g.weight("places", 1024, width, scale=0.1), "position_ids"),
    )
    total = g.op(
        "Range",
        g.const("zero", np.int64(0)),
        g.op("Squeeze", g.op("Shape", "attention_mask", start=1, end=2)),
        g.const("one", np.int64(1)),
    )
    later = g.op("Greater", total, g.op("Unsqueeze", "position_ids", g.ints(2)))
    hidden = g.op("Equal", g.op("Unsqueeze", "attention_mask", g.ints(1)), "zero")
    mask = g.op("Where", g.op("Or", later, hidden), g.number(-3e38), g.number(0))
    mask = g.op("Unsqueeze", mask, g.ints(1))
    for layer in range(layers):
        y = g.linear(g.norm(x, f"{layer}.norm1", width), f"{layer}.qkv", width, 3 * width)
        q, k, v = g.op("Split", y, outputs=3, axis=2, num_outputs=3)
        q, k, v = (g.heads(t, count, width, [0, 2, 1, 3]) for t in (q, k, v))
        k, v = (
            g.op(
                "Concat",
                f"past_key_values.{layer}.{part}",
                t,
                axis=2,
                name=f"present.{layer}.{part}",
            )
            for part, t in (("key", k), ("value", v))
        )
        y = g.attend(q, g.op("Transpose", k, perm=[0, 1, 3, 2]), v, width, count, mask)
        x = g.op("Add", x, g.linear(y, f"{layer}.out", width, width))
        y = g.linear(g.norm(x, f"{layer}.norm2", width), f"{layer}.up", width, 4 * width)
        x = g.op("Add", x, g.linear(g.gelu_tanh(y), f"{layer}.down", 4 * width, width))
    x = g.norm(x, "norm", width)
    g.op("MatMul", x, g.op("Transpose", table, perm=[1, 0]), name="logits")
    caches = [(layer, part) for layer in range(layers) for part in ("key", "value")]
    inputs = [
        ("input_ids", INT64, ["batch", "seq"]),
        ("attention_mask", INT64, ["batch", "total"]),
        ("position_ids", INT64, ["batch", "seq"]),
    ]
    inputs += [(f"past_key_values.{l}.{p}", FLOAT, ["batch", count, "past", 64]) for l, p in caches]
    outputs = [("logits", FLOAT, ["batch", "seq", 50257])]
    outputs += [(f"present.{l}.{p}", FLOAT, ["batch", count, "total", 64]) for l, p in caches]
    return g.model("gpt2", inputs, outputs)


def one_add():
    """The least that a model can be: its time is the overhead of a run."""
    g = Network("one_add")
    g.op("Add", "x", g.const("one", np.ones(1, np.float32)), name="y")
    return g.model("one_add", [("x", FLOAT, [1])], [("y", FLOAT, [1])])


NETWORKS = {
    make.__name__: make
    for make in (
        resnet50,
        mobilenetv3_small,
        efficientnet_b0,
        convnext_tiny,
        vit_base_patch16_224,
        bert_base,
        gpt2,
        one_add,
    )
}


def write(name, folder):
    """FOLDER/model.onnx with its weights beside it."""
    os.makedirs(folder, exist_ok=True)
    weights = os.path.join(folder, "weights.bin")
    if os.path.exists(weights):
        os.remove(weights)  # onnx would append to it
    onnx.save(
        NETWORKS[name](),
        os.path.join(folder, "model.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=4096,
    )
