#!/usr/bin/env python3
"""Compiles a model of about 200 MB of weights, inside one file and beside it, and looks at the memory of
aicc and its worker processes: the weights must stay in their files. Exit status 77 where onnx is
missing.

    weights.py BUILD-DIR

Weights are multiplied with as they are, turned by a Transpose, turned for an addition (which is
computed when the model is compiled), and looked up by a Gather. Inside the file they start at odd
addresses: protobuf aligns nothing."""

import os
import re
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx
    from onnx import TensorProto as T
    from onnx import helper as h
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

SIDE = 3584  # 49 MB a weight of f32
PRIVATE_MB = 60  # of all processes together; 20 when this was written
LARGEST_MB = 300  # of the largest process, file pages included, that is, of what is not forgotten


def make(folder, inside):
    """model.onnx in |folder|, and W @ x of its pieces for a row of ones."""
    random = np.random.default_rng(1)
    weights = {
        name: random.integers(-4, 5, (SIDE, SIDE)).astype(np.float32) / 64
        for name in ("straight", "turned", "added", "table")
    }
    tensors = [
        onnx.TensorProto(name=name, data_type=T.FLOAT, dims=array.shape, raw_data=array.tobytes())
        for name, array in weights.items()
    ]
    nodes = [
        h.make_node("MatMul", ["x", "straight"], ["y0"]),
        h.make_node("Transpose", ["turned"], ["t"], perm=[1, 0]),
        h.make_node("MatMul", ["x", "t"], ["y1"]),
        h.make_node("Transpose", ["added"], ["a"], perm=[1, 0]),
        h.make_node("Add", ["x", "a"], ["sums"]),
        h.make_node("ReduceMax", ["sums"], ["y2"], axes=[0], keepdims=0),
        h.make_node("Gather", ["table", "rows"], ["y3"]),
    ]
    graph = h.make_graph(
        nodes,
        "weights",
        [h.make_tensor_value_info("x", T.FLOAT, [1, SIDE]),
         h.make_tensor_value_info("rows", T.INT64, [2])],
        [h.make_tensor_value_info(f"y{i}", T.FLOAT, None) for i in range(4)],
        tensors,
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    path = os.path.join(folder, "model.onnx")
    if inside:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location="weights.bin")
    x = np.ones((1, SIDE), np.float32)
    w = weights
    return path, [x @ w["straight"], x @ w["turned"].T, (x + w["added"].T).max(0), w["table"][[3, 5]]]


def memory_of(pid):
    """(MB of private memory of a process and all it started now, the most MB of one of them so far)."""
    private, largest, members = 0, 0, [pid]
    for member in members:
        try:
            for task in os.listdir(f"/proc/{member}/task"):
                with open(f"/proc/{member}/task/{task}/children", encoding="ascii") as file:
                    members += map(int, file.read().split())
            with open(f"/proc/{member}/status", encoding="utf-8") as file:
                status = dict(re.findall(r"^(RssAnon|VmHWM):\s*(\d+) kB", file.read(), re.M))
        except OSError:
            continue  # it ended meanwhile
        private += int(status.get("RssAnon", 0))
        largest = max(largest, int(status.get("VmHWM", 0)))
    return private / 1e3, largest / 1e3


def compile_watched(command):
    """(private, largest) MB at the most, as sampled."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        private, largest = 0, 0
        while process.poll() is None:
            now = memory_of(process.pid)
            private, largest = max(private, now[0]), max(largest, now[1])
            time.sleep(0.002)
        assert process.returncode == 0, process.stderr.read()
    return private, largest


def run(program, library, folder):
    np.save(os.path.join(folder, "x.npy"), np.ones((1, SIDE), np.float32))
    np.save(os.path.join(folder, "rows.npy"), np.array([3, 5], np.int64))
    subprocess.run(
        [program, library, "--input", f"x=@{folder}/x.npy", "--input", f"rows=@{folder}/rows.npy",
         "--outputs", folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return [np.load(os.path.join(folder, f"output_{i}.npy")) for i in range(4)]


def check(programs, inside):
    """The faults found, as sentences."""
    with tempfile.TemporaryDirectory() as folder:
        path, expected = make(folder, inside)
        library = os.path.join(folder, "model.so")
        private, largest = compile_watched([os.path.join(programs, "aicc"), "-q", path, "-o", library])
        limit = LARGEST_MB + (os.path.getsize(path) / 1e6 if inside else 0)
        where = "inside" if inside else "beside"
        print(f"weights {where} the file: {private:.0f} MB private (limit {PRIVATE_MB}), "
              f"{largest:.0f} MB in the largest process (limit {limit:.0f})")
        faults = []
        if private > PRIVATE_MB or largest > limit:
            faults.append(f"weights {where} the file: too much memory")
        for i, (got, want) in enumerate(zip(run(os.path.join(programs, "aicc-run"), library, folder),
                                            expected)):
            if got.shape != want.shape or not np.allclose(got, want, atol=1e-3):
                faults.append(f"weights {where} the file: output y{i} is wrong")
    return faults


def main():
    programs = os.path.join(sys.argv[1], "bin")
    faults = check(programs, False) + check(programs, True)
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
