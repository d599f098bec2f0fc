"""Networks of the benchmark in 8 bits, made of the floating-point ones by ONNX Runtime's tools.

Static: QuantizeLinear and DequantizeLinear around every product (QDQ), scales of activations from
a few random images, weights of i8 with a scale each channel. Dynamic: DynamicQuantizeLinear and
MatMulInteger.
"""

import os

import numpy as np

QUANTISED = {  # what it is made of, the type of activations (None: dynamic)
    "resnet50_qdq_u8": ("resnet50", "QUInt8"),
    "resnet50_qdq_i8": ("resnet50", "QInt8"),
    "mobilenetv3_small_qdq_u8": ("mobilenetv3_small", "QUInt8"),
    "bert_base_dynamic": ("bert_base", None),
}
IMAGES = 4


class Images:
    """What quantize_static asks for samples: a CalibrationDataReader."""

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
    from onnxruntime import quantization

    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    activations, weights = QUANTISED[name][1], quantization.QuantType.QInt8
    if activations is None:
        quantization.quantize_dynamic(source, path, weight_type=weights)
    else:
        quantization.quantize_static(
            source,
            path,
            Images(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType[activations],
            weight_type=weights,
            per_channel=True,
        )
