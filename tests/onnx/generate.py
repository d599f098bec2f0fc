#!/usr/bin/env python3
"""Writes the official ONNX backend cases as folders: model.onnx, test_data_set_N/, case.json.

usage: generate.py FOLDER      does nothing when FOLDER already has this onnx version's cases

The cases are those of the installed onnx package: the node cases come from its generators, the
simple, PyTorch and light ones from files it ships. The light ones carry no data: their one input
is the ramp that the official runner feeds them, their outputs are in the package.
"""

import glob
import json
import os
import shutil
import sys
import warnings

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
    from onnx.backend.test.case.node import collect_testcases
    from onnx.backend.test.loader import DATA_DIR, load_model_tests
except ImportError as error:
    print(f"skipped: {error}; ./run-tests makes the Python environment of the tests")
    sys.exit(77)

FORMAT = 1  # of what this script writes; a new number makes every tree write its cases again
FILE_KINDS = ("simple", "pytorch-converted", "pytorch-operator")


def message_of(value, info):
    """A value of a case as the message that its type says (a case may hold messages already)."""
    if hasattr(value, "SerializeToString"):
        return value
    kind = info.type.WhichOneof("value")
    make = {
        "map_type": numpy_helper.from_dict,
        "sequence_type": numpy_helper.from_list,
        "optional_type": numpy_helper.from_optional,
    }.get(kind, numpy_helper.from_array)
    return make(value, info.name)


def write_message(path, message):
    with open(path, "wb") as file:
        file.write(message.SerializeToString())


def write_facts(folder, case):
    with open(os.path.join(folder, "case.json"), "w", encoding="utf-8") as file:
        json.dump({"kind": case.kind, "rtol": case.rtol, "atol": case.atol}, file)


def write_node_case(case, folder):
    os.makedirs(folder)
    write_message(os.path.join(folder, "model.onnx"), case.model)
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data = os.path.join(folder, f"test_data_set_{number}")
        os.makedirs(data)
        for prefix, values, infos in (
            ("input", inputs, case.model.graph.input),
            ("output", outputs, case.model.graph.output),
        ):
            for j, value in enumerate(values):
                write_message(os.path.join(data, f"{prefix}_{j}.pb"), message_of(value, infos[j]))
    write_facts(folder, case)


def write_file_case(case, folder):
    shutil.copytree(case.model_dir, folder)
    for data in glob.glob(os.path.join(folder, "test_data_set*")):
        if not os.path.basename(data).startswith("test_data_set_"):
            os.rename(data, os.path.join(folder, "test_data_set_0"))
    write_facts(folder, case)


def write_light_case(case, folder):
    source = os.path.join(DATA_DIR, "light", os.path.basename(case.url))
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    shutil.copy(source, os.path.join(folder, "model.onnx"))
    graph = onnx.load(source).graph
    weights = {tensor.name for tensor in graph.initializer}
    for j, info in enumerate(i for i in graph.input if i.name not in weights):
        shape = [d.dim_value or 1 for d in info.type.tensor_type.shape.dim]
        count = int(np.prod(shape))
        ramp = (np.arange(count).reshape(shape) / count).astype(np.float32)
        write_message(os.path.join(data, f"input_{j}.pb"), numpy_helper.from_array(ramp, info.name))
    for j in range(len(graph.output)):
        shutil.copy(source[:-5] + f"_output_{j}.pb", os.path.join(data, f"output_{j}.pb"))
    case.kind = "light"
    write_facts(folder, case)


def all_cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators overflow and divide by zero on purpose
        yield from ((case, write_node_case) for case in collect_testcases(None))
    for kind in FILE_KINDS:
        yield from ((case, write_file_case) for case in load_model_tests(kind=kind))
    yield from ((case, write_light_case) for case in load_model_tests(kind="real"))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = os.path.abspath(sys.argv[1])
    stamp, version = os.path.join(target, "stamp"), f"onnx {onnx.__version__}, format {FORMAT}"
    if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == version:
        return
    shutil.rmtree(target, ignore_errors=True)
    count = 0
    for case, write in all_cases():
        folder = os.path.join(target, case.name)
        if os.path.exists(folder):
            sys.exit(f"error: two cases are named {case.name}")
        write(case, folder)
        count += 1
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(version)
    print(f"wrote {count} cases of {version}")


main()
