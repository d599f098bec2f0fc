"""A small builder of ONNX models: nodes and weights in the order written, seeded weights."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Graph:
    """Every call appends a node or a weight and returns the name of its result."""

    def __init__(self, seed, producer):
        self.random = np.random.default_rng(seed)
        self.producer = producer
        self.nodes, self.weights, self.known = [], [], set()

    def op(self, kind, *inputs, outputs=1, name=None, **attributes):
        names = [
            f"{kind.lower()}{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)
        ]
        names = [name] if name else names
        self.nodes.append(helper.make_node(kind, list(inputs), names, f"/{names[0]}", **attributes))
        return names[0] if len(names) == 1 else names

    def const(self, name, value):
        """A named constant, written once however often it is asked for."""
        if name not in self.known:
            self.known.add(name)
            self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, name, *shape, scale=None):
        """Normal values; without a scale their variance is one over the number of inputs."""
        scale = 1 / np.sqrt(max(1, int(np.prod(shape[1:])))) if scale is None else scale
        values = self.random.standard_normal(shape, dtype=np.float32)
        return self.const(name, values * np.float32(scale))

    def model(self, name, inputs, outputs, opset=18):
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
            [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs],
            self.weights,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=9 if opset < 21 else 10,
            producer_name=self.producer,
        )
        onnx.checker.check_model(model, full_check=True)
        return model
