"""Networks of the benchmark in 8 bits, made of the floating-point ones by ONNX Runtime's tools.

Static: QuantizeLinear and DequantizeLinear around every product (QDQ), scales of activations from
a few random images, weights of i8 with a scale each channel. Dynamic: DynamicQuantizeLinear and
MatMulInteger.
"""

import os

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

QUANTISED = {  # what it is made of, the type of activations (None: dynamic)
    "resnet50_qdq_u8": ("resnet50", QuantType.QUInt8),
    "resnet50_qdq_i8": ("resnet50", QuantType.QInt8),
    "mobilenetv3_small_qdq_u8": ("mobilenetv3_small", QuantType.QUInt8),
    "bert_base_dynamic": ("bert_base", None),
}
IMAGES = 4


class Images(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(1)
        self.images = iter(
            [random.standard_normal((1, 3, 224, 224), np.float32) for _ in range(IMAGES)]
        )

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"image": image}


def write(name, source, folder):
    """FOLDER/model.onnx of the floating-point network `source`."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    activations = QUANTISED[name][1]
    if activations is None:
        quantize_dynamic(source, path, weight_type=QuantType.QInt8)
    else:
        quantize_static(
            source,
            path,
            Images(),
            quant_format=QuantFormat.QDQ,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
