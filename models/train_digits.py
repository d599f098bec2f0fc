#!/usr/bin/env python3
"""Trains the model of ./quickstart: reads a handwritten digit of 8 x 8 pixels.

usage: train_digits.py [FOLDER]      default: digits/ here; needs numpy, onnx, scikit-learn

A convolutional network of 11,000 weights, trained here with NumPy alone (15 seconds on one core) on
the first 1,400 images of the UCI set "Optical Recognition of Handwritten Digits" (E. Alpaydin,
C. Kaynak; CC BY 4.0), which scikit-learn ships; it prints the share of the other 397, from other
writers, that it reads right. Seeded: the same NumPy makes the same file.

Writes model.onnx (image f32[batch,1,8,8] in 0..1 -> probabilities f32[batch,10], digit
i64[batch]) and two test sets from images it was not trained on; the expected outputs are onnx's
reference evaluator's.
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

from testdata import write_model

TRAINED, EPOCHS, BATCH, RATE = 1400, 60, 50, 2e-3
CHANNELS = (1, 12, 24, 32)  # two convolutions, a 2 x 2 pool, a third one, a 2 x 2 pool


def patches(x):
    """[n,c,h,w] -> [n*h*w, c*9]: the 3 x 3 neighbourhood of every pixel, zeros outside."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * 9)


def conv(x, weight, bias):
    n, _, h, w = x.shape
    columns = patches(x)
    y = columns @ weight.reshape(len(weight), -1).T + bias
    return y.reshape(n, h, w, -1).transpose(0, 3, 1, 2), columns


def conv_back(grad, columns, weight, shape):
    """Gradients of the weight, the bias and the input."""
    n, c, h, w = shape
    flat = grad.transpose(0, 2, 3, 1).reshape(-1, len(weight))
    spread = (flat @ weight.reshape(len(weight), -1)).reshape(n, h, w, c, 3, 3)
    padded = np.zeros((n, c, h + 2, w + 2), np.float32)
    for i in range(3):
        for j in range(3):
            padded[:, :, i : i + h, j : j + w] += spread[:, :, :, :, i, j].transpose(0, 3, 1, 2)
    return (flat.T @ columns).reshape(weight.shape), flat.sum(0), padded[:, :, 1:-1, 1:-1]


def pool(x):
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // 2, 2, w // 2, 2)
    y = cells.max((3, 5))
    return y, cells == y[:, :, :, None, :, None]


def pool_back(grad, mask):
    cells = mask * grad[:, :, :, None, :, None]
    n, c, h, _, w, _ = mask.shape
    return cells.reshape(n, c, h * 2, w * 2).astype(np.float32)


def forward(weights, x):
    """Logits, and what the way back needs."""
    kept = []
    for layer in range(3):
        shape = x.shape
        z, columns = conv(x, weights[2 * layer], weights[2 * layer + 1])
        x = np.maximum(z, 0)
        mask = None
        if layer > 0:
            x, mask = pool(x)
        kept.append((shape, columns, z, mask))
    flat = x.reshape(len(x), -1)
    return flat @ weights[6].T + weights[7], (kept, flat, x.shape)


def gradients(weights, x, labels):
    logits, (kept, flat, shape) = forward(weights, x)
    grad = np.exp(logits - logits.max(1, keepdims=True))
    grad /= grad.sum(1, keepdims=True)
    grad[np.arange(len(labels)), labels] -= 1
    grad /= len(labels)
    result = [None] * 6 + [grad.T @ flat, grad.sum(0)]
    grad = (grad @ weights[6]).reshape(shape)
    for layer in (2, 1, 0):
        shape, columns, z, mask = kept[layer]
        grad = (grad if mask is None else pool_back(grad, mask)) * (z > 0)
        result[2 * layer], result[2 * layer + 1], grad = conv_back(
            grad, columns, weights[2 * layer], shape
        )
    return result


def shifted(random, images):
    """Images moved by up to one pixel: more to learn from, and a guard against pixel positions."""
    moved = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    result = np.empty_like(images)
    for n, (dy, dx) in enumerate(random.integers(0, 3, (len(images), 2))):
        result[n] = moved[n, :, dy : dy + 8, dx : dx + 8]
    return result


def train(images, labels):
    random = np.random.default_rng(7)
    weights = []
    for inputs, outputs in zip(CHANNELS, CHANNELS[1:]):
        scale = np.sqrt(2 / (9 * inputs))
        weights += [
            random.normal(0, scale, (outputs, inputs, 3, 3)).astype(np.float32),
            np.zeros(outputs, np.float32),
        ]
    features = CHANNELS[-1] * 4
    weights += [
        random.normal(0, np.sqrt(1 / features), (10, features)).astype(np.float32),
        np.zeros(10, np.float32),
    ]
    first, second, step = (
        [np.zeros_like(w) for w in weights],
        [np.zeros_like(w) for w in weights],
        0,
    )
    for epoch in range(EPOCHS):
        order = random.permutation(len(images))
        rate = RATE * (1 - epoch / EPOCHS)
        for start in range(0, len(order), BATCH):
            pick, step = order[start : start + BATCH], step + 1
            for i, g in enumerate(gradients(weights, shifted(random, images[pick]), labels[pick])):
                first[i] = 0.9 * first[i] + 0.1 * g
                second[i] = 0.999 * second[i] + 0.001 * g * g
                step_size = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                weights[i] -= (step_size * first[i] / (np.sqrt(second[i]) + 1e-8)).astype(
                    np.float32
                )
    return weights


def as_onnx(weights):
    names = (
        "conv1.weight",
        "conv1.bias",
        "conv2.weight",
        "conv2.bias",
        "conv3.weight",
        "conv3.bias",
        "head.weight",
        "head.bias",
    )
    nodes, x = [], "image"
    for layer in (1, 2, 3):
        nodes += [
            helper.make_node(
                "Conv",
                [x, f"conv{layer}.weight", f"conv{layer}.bias"],
                [f"conv{layer}"],
                f"/conv{layer}",
                pads=[1] * 4,
            ),
            helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"], f"/relu{layer}"),
        ]
        x = f"relu{layer}"
        if layer > 1:
            nodes.append(
                helper.make_node(
                    "MaxPool",
                    [x],
                    [f"pool{layer}"],
                    f"/pool{layer}",
                    kernel_shape=[2, 2],
                    strides=[2, 2],
                )
            )
            x = f"pool{layer}"
    nodes += [
        helper.make_node("Flatten", [x], ["features"], "/flatten"),
        helper.make_node(
            "Gemm", ["features", "head.weight", "head.bias"], ["logits"], "/head", transB=1
        ),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "/softmax", axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["digit"], "/argmax", axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10]),
            helper.make_tensor_value_info("digit", TensorProto.INT64, ["batch"]),
        ],
        [numpy_helper.from_array(w, name) for w, name in zip(weights, names)],
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
        producer_name="aicc models/train_digits.py",
    )


        def main(): folder = ( sys.argv[1] if len(sys.argv) > 1 else
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits") ) data = load_digits()
        images = (data.images / 16).astype(np.float32)[:, None] weights = train(images[:TRAINED],
        data.target[:TRAINED]) others, labels = images[TRAINED:], data.target[TRAINED:] right =
        (forward(weights, others)[0].argmax(1) == labels).mean() print( f"{sum(w.size for w in
        weights)} weights; {100 * right:.1f} % of {len(labels)} unseen digits" ) model =
        as_onnx(weights) onnx.checker.check_model(model, full_check=True) seven =
        int(np.flatnonzero(labels == 7)[0]) write_model(folder, model, [[others[seven : seven +
        1]], [others[:10]]])


main()
