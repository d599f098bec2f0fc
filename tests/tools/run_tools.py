"""aicc-run and aicc-bench as programs, on the model of tests/runtime/demo_model.c: exit codes, files,
test data of every kind. Exit status 77 where numpy or onnx are missing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

build = sys.argv[1]
AICC = os.path.join(build, "bin/aicc")
MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models")
RUN, BENCH = os.path.join(build, "bin/aicc-run"), os.path.join(build, "bin/aicc-bench")
DEMO, ADD = os.path.join(build, "demo/demo.so"), os.path.join(build, "demo/add.so")


def run(*args, code=0):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=60)
    text = done.stdout + done.stderr
    assert done.returncode == code, f"{args}: exit code {done.returncode}, not {code}\n{text}"
    return text


def save(folder, name, message):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(message.SerializeToString())


def tensor(value, name=""):
    return numpy_helper.from_array(np.asarray(value), name)


def sequence(values, name=""):
    result = onnx.SequenceProto(name=name, elem_type=onnx.SequenceProto.TENSOR)
    result.tensor_values.extend(tensor(v) for v in values)
    return result


def optional(value, name=""):
    result = onnx.OptionalProto(name=name)
    if value is not None:
        result.elem_type = onnx.OptionalProto.TENSOR
        result.tensor_value.CopyFrom(tensor(value))
    return result


def maps(rows, keys):
    """Rows of a matrix as maps, the columns in the order of |keys|."""
    result = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
    for row in rows:
        item = result.map_values.add(key_type=onnx.TensorProto.STRING)
        item.string_keys.extend(k.encode() for k in keys)
        item.values.elem_type = onnx.SequenceProto.TENSOR
        item.values.tensor_values.extend(tensor(v) for v in row)
    return result


def demo_y(a, b):
    columns = np.arange(4, dtype=np.float32)
    return (a + b) * np.float32(0.5) * (columns + 1) + np.float32(2.5) + np.float32(0.5) * columns


def make_set(folder, rows, extra, named=False, wrong=False):
    """Writes a test data set of the demo model; returns what is expected."""
    random = np.random.default_rng(rows)
    a = random.integers(-9, 9, (rows, 4)).astype(np.float32)
    b = random.integers(-9, 9, (rows, 4)).astype(np.float32)
    parts = [np.arange(4, dtype=np.float32), np.ones(4, np.float32)]
    y = demo_y(a, b) + (0 if extra is None else extra)
    labels = np.array([f"row {i % 10}" for i in range(rows)], dtype=object)
    inputs = [
        lambda n: tensor(a, n),
        lambda n: tensor(b, n),
        lambda n: tensor(np.int64(0), n),
        lambda n: optional(extra, n),
        lambda n: sequence(parts, n),
    ]
    outputs = [
        lambda n: tensor(y + (1 if wrong else 0), n),
        lambda n: tensor(y[y > 0], n),
        lambda n: sequence(list(y), n),
        lambda n: onnx.helper.make_tensor(n, onnx.TensorProto.STRING, [rows],
                                          [s.encode() for s in labels]),
        lambda n: optional(extra, n),
        lambda n: tensor(parts[0] + parts[1], n),
    ]
    names = ["a", "b", "mode", "extra", "parts"]
    # With names the order of the files does not matter: a and b change places.
    order = [1, 0, 2, 3, 4] if named else range(5)
    for position, index in enumerate(order):
        save(folder, f"input_{position}.pb", inputs[index](names[index] if named else ""))
    for index, output in enumerate(outputs):
        save(folder, f"output_{index}.pb", output(""))
    return y, labels


def test_data(work):
    extra = np.array([1, 2, 3, 4], np.float32)
    one, two, bad = (os.path.join(work, n) for n in ("set_1", "set_2", "set_bad"))
    y, labels = make_set(one, 3, None)
    make_set(two, 5, extra, named=True)
    make_set(bad, 2, None, wrong=True)
    out = os.path.join(work, "deep", "er", "out")
    run(RUN, DEMO, "--test-data", one, "--outputs", os.path.join(one, "input_0.pb"), code=4)
    assert "equal" in run(RUN, DEMO, "--test-data", one, "--outputs", out, "--device", "cpu")
    np.testing.assert_array_equal(np.load(f"{out}/output_0.npy"), y)
    assert list(np.load(f"{out}/output_3.npy")) == list(labels)
    np.testing.assert_array_equal(np.load(f"{out}/output_2_2.npy"), y[2])
    assert not os.path.exists(f"{out}/output_2.npy")
    assert not os.path.exists(f"{out}/output_4.npy")
    text = run(RUN, DEMO, "--test-data", one, "--test-data", two, "--outputs", out)
    assert text.count("6 outputs equal") == 2, text
    np.testing.assert_array_equal(np.load(f"{out}/set_2/output_4.npy"), extra)
    # Maps are a matrix with a column for each key, in ascending order.
    order = [2, 0, 3, 1]
    for keys, code in (("cadb", 0), ("cabd", 3)):
        save(one, "output_0.pb", maps(y[:, order], keys))
        run(RUN, DEMO, "--test-data", one, code=code)
    save(one, "output_0.pb", maps(y[:, :3], "abc"))
    run(RUN, DEMO, "--test-data", one, code=3)
    save(one, "output_0.pb", tensor(y))
    text = run(RUN, DEMO, "--test-data", bad, "--test-data", one, code=3)
    assert "output 0 'y' is not equal: 8 of 8 elements differ" in text, text
    run(RUN, DEMO, "--test-data", bad, "--atol", "1.5")
    os.remove(os.path.join(one, "input_1.pb"))
    assert "no file for input 'b'" in run(RUN, DEMO, "--test-data", one, code=1)
    run(RUN, DEMO, "--test-data", os.path.join(work, "nothing"), code=1)
    save(two, "input_9.pb", tensor(1.0))
    save(two, "input_5.pb", tensor(1.0))
    run(RUN, DEMO, "--test-data", two, code=1)
    with open(os.path.join(bad, "input_0.pb"), "wb") as file:
        file.write(b"\xff\xff\xff\xff rubbish")
    run(RUN, DEMO, "--test-data", bad, code=1)


def files(work):
    x, y, z = (os.path.join(work, n) for n in ("x.npy", "y.npy", "z.npy"))
    raw, out = os.path.join(work, "x.bin"), os.path.join(work, "out.npy")
    values = np.array([1, 2, 3, 4], np.float32)
    np.save(x, values)
    np.save(y, np.asfortranarray(values))
    np.save(z, 2 * values)
    values.tofile(raw)
    given = ["--input", f"x=@{x}", "-i", f"y=@{raw}"]
    assert "equal to" in run(RUN, ADD, *given, "--expect", f"z=@{z}")
    assert "not equal" in run(RUN, ADD, *given, "--expect", f"z=@{x}", code=3)
    run(RUN, ADD, *given, "--output", f"z=@{out}")
    np.testing.assert_array_equal(np.load(out), 2 * values)
    assert "[2, 4, 6, 8]" in run(RUN, ADD, *given)
    assert "must be f32[4]" in run(RUN, ADD, "-i", "x=2xf32=1,2", "-i", "y=0", code=1)
    np.save(x, values.astype(np.float64))
    assert "another element type" in run(RUN, ADD, *given, code=1)
    run(RUN, ADD, "-i", "x=@/tmp/aicc/none.npy", "-i", "y=0", code=4)
    run(RUN, ADD, *given, "--output", "nobody=@x.npy", code=1)
    assert "did you mean '--input'" in run(RUN, ADD, "--inptu", "x=1", code=1)
    run(RUN, os.path.join(work, "none.so"), code=4)
    run(RUN, x, code=1)
    run(RUN, ADD, "--random", "--device", "gpu", code=2)
    assert run(RUN, ADD, "--random", "--seed", "3").split("ran in")[0] == \
        run(RUN, ADD, "--random", "--seed", "3").split("ran in")[0]


def inspection():
    text = run(RUN, DEMO, "--inspect", "--dim", "n=100")
    assert "3.125 KiB" in text and "node_mul (Mul) + node_bias (Add)" in text, text
    info = json.loads(run(RUN, DEMO, "--inspect", "--json", "--dim", "n=100"))
    assert info["memory"]["arena_bytes"] == 3200, info
    assert info["inputs"][0] == {"name": "a", "kind": "tensor", "dtype": "f32", "shape": ["n", 4]}
    assert info["kernels"][1]["nodes"][1] == {"node": "node_bias", "op": "Add"}
    for program in (RUN, BENCH):
        text = run(program, "--help")
        assert "--threads" in text and "usage:" in text
        assert run(program, "--version").split()[0] == os.path.basename(program)


def roofline(work):
    """Gemm, Relu, Gemm of 16, 32 and 8 columns over a batch of 64."""
    model = os.path.join(MODELS, "external_weights", "model.onnx")
    plan = [AICC, model, "--dim", "batch=64", "--stop-after", "plan", "--target", "sm_90"]
    found = json.loads(subprocess.check_output([*plan, "--roofline", "h100-sxm", "--json"]))
    kernels = {name: row for row in found["kernels"] for name in row["nodes"]}
    assert kernels["/gemm0"]["flop"] == 2 * 64 * 16 * 32, kernels["/gemm0"]
    assert kernels["/gemm0"]["nodes"] == ["/gemm0", "/relu1"], kernels["/gemm0"]
    assert kernels["/gemm0"]["written_bytes"] == 64 * 32 * 4, kernels["/gemm0"]
    assert kernels["/y"]["read_bytes"] >= 64 * 32 * 4 + 32 * 8 * 4, kernels["/y"]
    assert all(k["roofline_us"] <= k["predicted_us"] for k in found["kernels"]), found
    assert found["launches"] == sum(k["launches"] for k in found["kernels"]), found
    lost = [k["launches"] * (k["predicted_us"] - k["roofline_us"]) for k in found["kernels"]]
    assert lost == sorted(lost, reverse=True), lost
    text = run(*plan, "--roofline", "a100-sxm")
    assert text.startswith("a100-sxm: ") and "relu1" in text, text
    if shutil.which(os.environ.get("AICC_PTXAS", "ptxas")):
        model_so = os.path.join(work, "roofline.so")
        code = [AICC, model, "--dim", "batch=64", "-q", "--target", "sm_90", "-o", model_so]
        built = json.loads(subprocess.check_output([*code, "--roofline", "h100-sxm", "--json"]))
        assert all(16 <= k["registers"] <= 255 for k in built["kernels"]), built
    assert "h100-sxm" in run(*plan, "--roofline", "abacus", code=1)
    assert "--target sm_90" in run(AICC, model, "--stop-after", "plan", "--roofline", "h100-sxm", code=1)


def bench(work):
    one, result = os.path.join(work, "set_b"), os.path.join(work, "bench.json")
    make_set(one, 64, None)
    text = run(BENCH, DEMO, "--test-data", one, "--duration", "0.1", "--warmup", "5", "--json",
               result, "--threads", 2)
    assert "p99" in text and "node_mul" in text, text
    with open(result, encoding="utf-8") as file:
        r = json.load(file)
    latency = [r["latency_ms"][k] for k in ("min", "median", "p90", "p95", "p99", "max")]
    assert latency == sorted(latency) and r["runs"] >= 10 and r["threads"] == 2, r
    for rows in ("kernels", "nodes"):
        total = sum(row["share"] for row in r["profile"][rows])
        assert abs(total - 1) < 1e-3, (rows, total)
    nodes = {row["name"]: row["ns"] for row in r["profile"]["nodes"]}
    assert abs(nodes["node_mul"] - nodes["node_bias"]) < 1  # equal shares of two kernels
    json.loads(run(BENCH, ADD, "--duration", "0.05", "--json", "-", "--no-profile"))
    run(BENCH, DEMO, "--duration", "0.05", code=1)  # a sequence cannot be random
    run(BENCH, ADD, "--duration", "0.05", "--json", os.path.join(work, "no/where.json"), code=4)


with tempfile.TemporaryDirectory() as folder:
    test_data(folder)
    files(folder)
    inspection()
    bench(folder)
    roofline(folder)
print("all as expected")
