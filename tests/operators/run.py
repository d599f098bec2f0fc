#!/usr/bin/env python3
"""Compiles and runs one model for each case of operator_cases.py, with fixed and with symbolic
dimensions. Every operator of com.microsoft that aicc lists must have a case.

usage: run.py [--build DIR] [--target T] [--device D] [--jobs N] [NAME...]

Exit: 0 all agree, 1 not, 77 skipped (no onnx package).
"""

import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
import cases as harness  # noqa: E402  (exits with 77 where onnx is missing)
import numpy as np  # noqa: E402
import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

sys.path.insert(0, HERE)
import operator_cases  # noqa: E402


def tensor_type(value):
    return helper.np_dtype_to_tensor_dtype(value.dtype)


def make_model(node, results, symbolic):
    """One node. Where symbolic, the first dimension of the first input is a name, and that of the
    inputs of the same shape."""
    names, inputs, weights = [], [], []
    first = next(v for v in node.inputs if v is not None and not isinstance(v, operator_cases.Weight))
    for index, value in enumerate(node.inputs):
        names.append("" if value is None else f"x{index}")
        if isinstance(value, operator_cases.Weight):
            weights.append(numpy_helper.from_array(value.value, names[-1]))
        elif value is not None:
            shape = list(value.shape)
            if symbolic and value.ndim > 1 and value.shape == first.shape:
                shape[0] = "batch"
            elif symbolic and value.ndim == 1 and node.free_lengths:
                shape[0] = f"length{index}"
            inputs.append(helper.make_tensor_value_info(names[-1], tensor_type(value), shape))
    outputs = [helper.make_tensor_sequence_value_info(f"y{i}", tensor_type(r[0]), None)
               if isinstance(r, list) else
               helper.make_tensor_value_info(f"y{i}", tensor_type(r), None)
               for i, r in enumerate(results)]
    graph = helper.make_graph(
        [helper.make_node(node.type, names, [o.name for o in outputs], "/node", domain=node.domain,
                          **node.attributes)],
        "case", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", node.version)]
    if node.domain:
        opsets.append(helper.make_opsetid(node.domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def write_case(folder, node, results, symbolic):
    shutil.rmtree(folder, ignore_errors=True)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    onnx.save(make_model(node, results, symbolic), os.path.join(folder, "model.onnx"))
    given = [(f"x{i}", v) for i, v in enumerate(node.inputs) if isinstance(v, np.ndarray)]
    for prefix, values in (("input", given), ("output", [(f"y{i}", r) for i, r in enumerate(results)])):
        for number, (name, value) in enumerate(values):
            with open(os.path.join(data, f"{prefix}_{number}.pb"), "wb") as file:
                proto = (numpy_helper.from_list(value, name) if isinstance(value, list)
                         else numpy_helper.from_array(value, name))
                file.write(proto.SerializeToString())


def without_case(build):
    listed = subprocess.run([os.path.join(build, "bin/aicc"), "--list-ops"], capture_output=True,
                            text=True, check=True).stdout
    types = {line.split()[0] for line in listed.splitlines()}
    prefix = "com.microsoft."
    return [t for t in sorted(types) if t.startswith(prefix)
            and t.removeprefix(prefix) not in operator_cases.CASES]


def main():
    cli = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--build", default=os.path.join(ROOT, "build"))
    cli.add_argument("--target", default="cpu")
    cli.add_argument("--device", default="")
    cli.add_argument("--jobs", type=int, default=2)
    cli.add_argument("names", nargs="*")
    args = cli.parse_args()
    build = os.path.abspath(args.build)
    top = os.path.join(build, "operator-cases")
    chosen = []
    for name, make in operator_cases.CASES.items():
        for kind in ("fixed", "symbolic"):
            full = f"{name}-{kind}"
            if not args.names or any(fnmatch.fnmatch(full, n) for n in args.names):
                node, results = make(np.random.default_rng(1))
                write_case(os.path.join(top, full), node, results, kind == "symbolic")
                chosen.append(harness.Case(full, os.path.join(top, full), kind, rtol=1e-4, atol=2e-6))
    if not chosen:
        sys.exit("error: no case has such a name")
    tools = harness.Tools.in_folder(os.path.join(build, "bin"), args.target, args.device)
    start = time.monotonic()
    results = harness.run_all(chosen, tools, os.path.join(build, "operator-work"), args.jobs,
                              lambda result: None)
    failed = [r for r in results if not r.passed]
    for result in failed:
        print(f"FAIL {result.name}: {result.message}\n{result.output}")
    print(f"{len(results) - len(failed)} of {len(results)} pass in {time.monotonic() - start:.1f} s")
    missing = without_case(build)
    if missing:
        print(f"operators without a case in operator_cases.py: {', '.join(missing)}")
    sys.exit(bool(failed or missing))


main()
