"""What a case of an operator is, and the functions that several of them are computed by."""

import math
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
