"""aicc for several targets at once: each has the kernels that it has alone, in whatever order the
targets are named, and the model runs right on each. Exit status 77 where numpy or onnx are missing.

usage: run_targets.py BUILD MODELS
"""

import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

build, models = sys.argv[1:3]
AICC, RUN = os.path.join(build, "bin/aicc"), os.path.join(build, "bin/aicc-run")
EMULATOR = os.path.join(build, "emu")
CPU = "x86-64-v3"


def run(*args, **environment):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "AICC_PTXAS": "", **environment})
    text = done.stdout + done.stderr
    assert done.returncode == 0, f"{args}: exit code {done.returncode}\n{text}"
    return text


def make_model(path):
    """What each machine wants another graph of: bytes, padding, softmax between products."""
    random = np.random.default_rng(1)
    w = random.integers(-20, 20, (32, 16)).astype(np.int8)
    filters = random.standard_normal((8, 3, 3, 3)).astype(np.float32)
    zero = np.array(7, np.uint8)
    constants = {"w": w, "zero": zero, "filters": filters}
    f32 = TensorProto.FLOAT
    nodes = [
        helper.make_node("MatMulInteger", ["a", "w", "zero"], ["bytes"]),
        helper.make_node("Conv", ["x", "filters"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("MatMul", ["q", "k"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["attended"]),
    ]
    inputs = [("a", TensorProto.UINT8, ["m", 32]), ("x", f32, [1, 3, 9, 9]),
              ("q", f32, [1, 2, "s", 16]), ("k", f32, [1, 2, 16, "s"]), ("v", f32, [1, 2, "s", 16])]
    outputs = [("bytes", TensorProto.INT32, ["m", 16]), ("conv", f32, [1, 8, 9, 9]),
               ("attended", f32, [1, 2, "s", 16])]
    graph = helper.make_graph(
        nodes, "targets", *([helper.make_tensor_value_info(*v) for v in vs]
                            for vs in (inputs, outputs)),
        [numpy_helper.from_array(v, n) for n, v in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    a = random.integers(0, 255, (5, 32)).astype(np.uint8)
    x, q, k, v = (random.standard_normal(s).astype(np.float32)
                  for s in ((1, 3, 9, 9), (1, 2, 6, 16), (1, 2, 16, 6), (1, 2, 6, 16)))
    e = np.exp(q @ k)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    return dict(a=a, x=x, q=q, k=k, v=v), {
        "bytes": (a.astype(np.int32) - 7) @ w.astype(np.int32),
        "conv": np.einsum("nchwij,fcij->nfhw", windows, filters),
        "attended": (e / e.sum(-1, keepdims=True)) @ v,
    }


def kernels(model, targets, folder):
    """The kernels of a compile, per target: name and suffix to text."""
    run(AICC, model, "--target", targets, "-o", folder + ".so", "--dump-kernels-to", folder)
    several = "sm_" in targets
    found = {}
    for name in os.listdir(folder):
        kernel, suffix = os.path.splitext(name)
        kernel, target = os.path.splitext(kernel) if several else (kernel, "." + CPU)
        if kernel == "host" or not target:
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found.setdefault(target[1:], {})[kernel + suffix] = file.read()
    return found


def same_kernels(model, work):
    def of(targets):
        return kernels(model, targets, os.path.join(work, targets))

    alone = {}
    for target in (CPU, "sm_75", "sm_80"):
        alone.update(of(target))
    names = {t: {k.split(".")[0] for k in files} for t, files in alone.items()}
    assert all(names.values()) and all(len(f) == 3 * len(names[t]) for t, f in alone.items()), names
    for targets in ("sm_75,sm_80", "sm_80,sm_75", f"{CPU},sm_80", f"sm_80,{CPU},sm_75"):
        got = of(targets)
        assert sorted(got) == sorted(targets.split(",")), (targets, sorted(got))
        for target, files in got.items():
            assert files.keys() == alone[target].keys(), (targets, target)
            for name, text in files.items():
                assert text == alone[target][name], f"{targets}: {target}'s {name} is another"


def order_is_nothing(model, work):
    def file(name, targets):
        path = os.path.join(work, name)
        run(AICC, model, "--target", targets, "-o", path)
        with open(path, "rb") as f:
            return f.read()

    for a, b in (("sm_75,sm_80", "sm_80,sm_75"), (f"{CPU},sm_90,sm_75", f"sm_75,sm_90,{CPU}")):
        assert file("a.so", a) == file("b.so", b), f"{a} and {b} are two files"


def runs_right(model, inputs, outputs, work):
    so = os.path.join(work, "all.so")
    run(AICC, model, "--target", f"{CPU},sm_75,sm_80", "-o", so)
    given = []
    for name, value in inputs.items():
        np.save(os.path.join(work, name), value)
        given += ["--input", f"{name}=@{work}/{name}.npy"]
    for name, value in outputs.items():
        np.save(os.path.join(work, name), value)
        given += ["--expect", f"{name}=@{work}/{name}.npy"]
    given += ["--rtol", "1e-4", "--atol", "1e-4"]
    assert run(RUN, so, *given).count("equal to") == 3
    for sm in ("75", "80") if os.path.exists(os.path.join(EMULATOR, "libcuda.so.1")) else ():
        said = run(RUN, so, "--device", "cuda", *given, LD_LIBRARY_PATH=EMULATOR, AICC_EMU_SM=sm)
        assert said.count("equal to") == 3, said


def uploads_its_own(model, inputs, work):
    """A device is given what its graph reads, not what the graphs of others do."""
    if not os.path.exists(os.path.join(EMULATOR, "libcuda.so.1")):
        return
    given = [x for n in inputs for x in ("--input", f"{n}=@{work}/{n}.npy")]

    def copied(targets, sm):
        so = os.path.join(work, "u.so")
        run(AICC, model, "--target", targets, "-o", so)
        said = run(RUN, so, "--device", "cuda", *given, LD_LIBRARY_PATH=EMULATOR, AICC_EMU_SM=sm,
                   AICC_EMU_STATS="1")
        return int(re.search(r"copied (\d+) bytes", said)[1])

    # The filters are both graphs'; of the bytes one reads 512, the other as i32 2048.
    for sm in ("75", "80"):
        alone, beside = copied("sm_" + sm, sm), copied("sm_75,sm_80", sm)
        assert alone <= beside < alone + 512, (sm, alone, beside)


def says_for_whom(model, work):
    so = os.path.join(work, "s.so")
    targets = ["--target", "sm_75,sm_80,sm_90", "-o", so]
    text = run(AICC, model, *targets, "--dump-after", "narrow", "--stop-after", "narrow")
    old, new = text.split("; after narrow for sm_80, sm_90\n")
    assert old.startswith("; after narrow for sm_75\n") and "matmul %a," not in old, text
    assert "matmul %a," in new, text
    text = run(AICC, model, *targets, "--dump-after", "cse", "--stop-after", "cse")
    assert text.count("; after cse\n") == 1 and "for sm" not in text, text
    text = run(AICC, model, *targets, "--dump-after", "plan", "--stop-after", "plan")
    assert text.count("; plan for sm_75\n") == text.count("; plan for sm_80, sm_90\n") == 1, text
    for option in ("--opt-report", "--time-passes"):
        text = run(AICC, model, *targets, option, "--stop-after", "plan")
        first, second = text.index("for sm_75:\n"), text.index("for sm_80, sm_90:\n")
        assert 0 < first < second, text
    report = run(AICC, model, *targets, "--opt-report", "--stop-after", "narrow")
    assert "narrow: 1 contractions" in report.split("for sm_80, sm_90:\n")[1], report
    assert "narrow: " not in report.split("for sm_80, sm_90:\n")[0], report
    text = run(AICC, *targets, "--print-pipeline")
    assert text.startswith("for all targets:\n"), text
    assert "\nfor sm_75; for sm_80, sm_90:\nunsign" in text, text


def shares_constants(work):
    """What both graphs compute of the weights is in the file once."""
    def weights(targets):
        so = os.path.join(work, "w.so")
        run(AICC, os.path.join(models, "residual_cnn/model.onnx"), "--target", targets, "-o", so)
        return [l for l in run(RUN, so, "--inspect").splitlines() if "weights (mapped)" in l]

    assert len(weights("sm_80")) == 1 and weights("sm_75,sm_80") == weights("sm_80")


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.onnx")
    given, expected = make_model(path)
    same_kernels(path, folder)
    order_is_nothing(path, folder)
    runs_right(path, given, expected, folder)
    uploads_its_own(path, given, folder)
    says_for_whom(path, folder)
    shares_constants(folder)
print("all as expected")
