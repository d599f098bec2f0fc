#!/usr/bin/env python3
"""Compiles and runs the models of control_cases.py, and compares with what they should give.

usage: run.py [--build DIR] [--target T] [--jobs N] [NAME...]

Exit: 0 all agree, 1 not, 77 skipped (no onnx package).
"""

import argparse
import fnmatch
import os
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
import cases as harness  # noqa: E402  (exits with 77 where onnx is missing)
import numpy as np  # noqa: E402
import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402

sys.path.insert(0, HERE)
import control_cases  # noqa: E402


def write_case(folder, model, inputs, outputs):
    shutil.rmtree(folder, ignore_errors=True)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    onnx.save(model, os.path.join(folder, "model.onnx"))
    results = list(zip(model.graph.output, outputs, strict=True))
    given = [(i, inputs[i.name]) for i in model.graph.input]
    for prefix, values in (("input", given), ("output", results)):
        for number, (info, value) in enumerate(values):
            make = (numpy_helper.from_optional if info.type.HasField("optional_type")
                    else numpy_helper.from_array)
            with open(os.path.join(data, f"{prefix}_{number}.pb"), "wb") as file:
                file.write(make(np.asarray(value), info.name).SerializeToString())


def main():
    cli = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--build", default=os.path.join(ROOT, "build"))
    cli.add_argument("--target", default="cpu")
    cli.add_argument("--jobs", type=int, default=2)
    cli.add_argument("names", nargs="*")
    args = cli.parse_args()
    build = os.path.abspath(args.build)
    top = os.path.join(build, "control-cases")
    chosen = []
    for name, make in control_cases.CASES.items():
        if not args.names or any(fnmatch.fnmatch(name, n) for n in args.names):
            write_case(os.path.join(top, name), *make(np.random.default_rng(1)))
            chosen.append(harness.Case(name, os.path.join(top, name), "control", rtol=1e-4,
                                       atol=1e-5))
    if not chosen:
        sys.exit("error: no case has such a name")
    tools = harness.Tools.in_folder(os.path.join(build, "bin"), args.target, "")
    start = time.monotonic()
    results = harness.run_all(chosen, tools, os.path.join(build, "control-work"), args.jobs,
                              lambda result: None)
    failed = [r for r in results if not r.passed]
    for result in failed:
        print(f"FAIL {result.name}: {result.message}\n{result.output}")
    print(f"{len(results) - len(failed)} of {len(results)} pass in {time.monotonic() - start:.1f} s")
    sys.exit(bool(failed))


main()
