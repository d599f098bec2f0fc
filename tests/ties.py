"""The other right answer of a model that rounds a value lying on a tie.

Where a value that QuantizeLinear or DynamicQuantizeLinear rounds lies within a few units in the
last place of n + 0.5, the order of the f32 sums before it decides between two integers. Both are
right, and what follows carries the choice on, past any bound that would still find a mistake. A
list names such elements, one a test set; outputs that miss the expected files are then compared,
with the same bound, with what the reference evaluator of the onnx package computes when exactly
that element is rounded the other way. Every line is checked whenever its model runs, needed or not.
"""

import os
import re
import sys
from dataclasses import dataclass

import cases
import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops import load_op

MOST_ULP = 4  # sums of some hundred f32 in another order differ by about as much
QUANTISERS = ("DynamicQuantizeLinear", "QuantizeLinear")


def newest(op_type):
    """The evaluator's newest implementation of an operator, for models of any opset."""
    implementation = load_op("", op_type, onnx.defs.onnx_opset_version())
    return type(op_type, (implementation,), {"op_domain": ""})


# The evaluator has none for opsets below 19, though it computes them too.
REPLACED = [newest("DequantizeLinear")]


@dataclass(frozen=True)
class Tie:
    node: str  # its name, or that of its first output
    element: int  # of the node's first output, flat

    def __str__(self):
        return f"{self.node}[{self.element}]"

    def other_answer(self, case, folder, expected):
        """{J: output} with the element on the side of the tie that `expected` is not on.

        Raises a Failure where the element is no tie or the evaluator cannot judge the model.
        """
        model = onnx.load(os.path.join(case.folder, "model.onnx"))
        node = self.find(model)
        inputs = cases.load_values(folder, "input", model.graph.input)
        feed = {model.graph.input[j].name: value for j, value in inputs.items()}
        values = evaluate(model, feed)
        turned = evaluate(self.turned(model, node, values), feed)
        sides = [{j: v[model.graph.output[j].name] for j in expected} for v in (values, turned)]
        # The evaluator's sums have an order too, that of this machine's BLAS: it may come out on
        # either side.
        for this, other in (sides, sides[::-1]):
            if agree(case, this, expected):
                return other
        raise cases.Failure(
            f"tie {self}: the reference evaluator is too far from the expected outputs to judge by"
        )

    def find(self, model):
        for node in model.graph.node:
            if self.node in (node.name, node.output[0]) and node.op_type in QUANTISERS:
                return node
        raise cases.Failure(f"tie {self}: no node that quantises has this name")

    def turned(self, model, node, values):
        """The model with constants in place of the node: what it gave, but for the element."""
        x, quantised = values[node.input[0]], values[node.output[0]].copy()
        dynamic = node.op_type == "DynamicQuantizeLinear"
        scale = values[node.output[1] if dynamic else node.input[1]]
        if self.element >= x.size:
            raise cases.Failure(f"tie {self}: the tensor has {x.size} elements")
        if scale.size != 1 or quantised.dtype.kind not in "iu":
            raise cases.Failure(f"tie {self}: only integers with one scale are supported")
        units = x.flat[self.element] / scale.flat[0]  # in f32, as the evaluator divides
        quantised.flat[self.element] = self.other_integer(units, quantised)
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        copy.graph.node.remove(node)
        results = [quantised, *(values[name] for name in node.output[1:])]
        for name, value in zip(node.output, results):
            copy.graph.initializer.append(numpy_helper.from_array(value, name))
        return copy

    def other_integer(self, units, quantised):
        """The integer beyond the tie; `units` is the element in units of the scale, unrounded."""
        tie = np.floor(units) + 0.5
        away = float(abs(units - tie) / np.spacing(np.float32(abs(units))))
        if not away <= MOST_ULP:
            raise cases.Failure(
                f"tie {self} is none: {units:.9g}, {away:.3g} ulp from {tie} (at most {MOST_ULP})"
            )
        limits, integer = np.iinfo(quantised.dtype), int(quantised.flat[self.element])
        if integer in (limits.min, limits.max):  # it may be there from further away
            raise cases.Failure(f"tie {self}: {integer} is at the end of the integer's range")
        return integer + (1 if np.rint(units) < tie else -1)


def evaluate(model, feed):
    """Every value of the model by name."""
    try:
        return ReferenceEvaluator(model, new_ops=REPLACED).run(None, feed, intermediate=True)
    except Exception as error:  # it has a class for every trouble of its own
        text = cases.one_line(str(error))
        raise cases.Failure(f"the reference evaluator cannot run the model: {text}") from None


def agree(case, answer, expected):
    return all(
        cases.difference(answer[j], e, case)[0]
        for j, e in expected.items()
        if isinstance(e, np.ndarray)
    )


def read(path):
    """{model: {test set's folder: Tie}} of lines `MODEL: SET NODE ELEMENT`."""
    found = {}
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+): (\d+) (\S+) (\d+)", line)
        if not match:
            sys.exit(f"{path}:{number}: a line is `MODEL: SET NODE ELEMENT`")
        model, test_set, node, element = match.groups()
        ties = found.setdefault(model, {})
        if f"test_data_set_{test_set}" in ties:
            sys.exit(f"{path}:{number}: a second tie of set {test_set}; one may turn")
        ties[f"test_data_set_{test_set}"] = Tie(node, int(element))
    return found
