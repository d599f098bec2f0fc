"""Writes a model with its test sets in the layout of the official ONNX tests."""

import os
import shutil

import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator


def write_model(folder, model, feeds, external=False):
    """model.onnx and a test_data_set_N for each list of inputs; what is expected is the reference
    evaluator's answer. external: weights above 1 KB go to weights.bin."""
    names = [i.name for i in model.graph.input]
    reference = ReferenceEvaluator(model)
    answers = [reference.run(None, dict(zip(names, feed))) for feed in feeds]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    onnx.save(
        model,
        os.path.join(folder, "model.onnx"),
        save_as_external_data=external,
        location="weights.bin",
        size_threshold=1024,
    )
    for number, (inputs, outputs) in enumerate(zip(feeds, answers)):
        data = os.path.join(folder, f"test_data_set_{number}")
        os.makedirs(data)
        for prefix, values, infos in (
            ("input", inputs, model.graph.input),
            ("output", outputs, model.graph.output),
        ):
            for j, (value, info) in enumerate(zip(values, infos)):
                with open(os.path.join(data, f"{prefix}_{j}.pb"), "wb") as file:
                    file.write(numpy_helper.from_array(value, info.name).SerializeToString())
