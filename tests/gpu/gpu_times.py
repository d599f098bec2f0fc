"""Times on a GPU, each beside the best that is there: PyTorch's libraries, a device copy, compilers.

aicc's times are those of aicc-bench: the profile's time of the kernels (events on the device) for single
operators, the median latency for networks. PyTorch's are medians of events around single calls, after
warm-up, with several sets of inputs in turn, so that no cache serves them.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import time

import gpu_machine

try:
    import torch

    torch = torch if torch.cuda.is_available() else None
except ImportError:
    torch = None

ROOT = gpu_machine.ROOT
DTYPES = {"f32": 1, "f16": 10, "bf16": 16}  # of TensorProto


# --- aicc -----------------------------------------------------------------------------------------


def single(work, name, op, inputs, output_dtype, output_shape, initialisers=(), **attributes):
    """A model of one node; inputs and initialisers are (name, dtype, shape). Returns its path."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    def value(entry):
        return helper.make_tensor_value_info(entry[0], DTYPES[entry[1]], entry[2])

    random = np.random.default_rng(0)
    constants = []
    for entry in initialisers:
        data = random.standard_normal(entry[2], dtype=np.float32)
        kind = helper.tensor_dtype_to_np_dtype(DTYPES[entry[1]])
        constants.append(numpy_helper.from_array(data.astype(kind), entry[0]))
    node = helper.make_node(op, [e[0] for e in [*inputs, *initialisers]], ["y"], name="node", **attributes)
    graph = helper.make_graph(
        [node],
        name,
        [value(e) for e in inputs],
        [value(("y", output_dtype, output_shape))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    path = os.path.join(work, f"{name}.onnx")
    onnx.save(model, path)
    return path


def bench(tools, args, model, options=(), bench_options=(), seconds=0.3):
    """Compiles and measures; (aicc-bench's report, seconds of compiling)."""
    library = os.path.join(tools.work, "timed.so")
    start = time.monotonic()
    tools.call("aicc", model, "-o", library, "--target", args.target, "--quiet", *options)
    compiled = time.monotonic() - start
    report = os.path.join(tools.work, "timed.json")
    seconds = 0.01 if args.small else seconds
    tools.call(
        "aicc-bench",
        library,
        "--device",
        args.device,
        "--duration",
        str(seconds),
        "--json",
        report,
        *bench_options,
    )
    with open(report, encoding="utf-8") as file:
        return json.load(file), compiled


def device_ms(report):
    """What all kernels of a run take on the device."""
    kernels = [k for k in report["profile"]["kernels"] if k["kind"] != "host"]
    return sum(k["ns"] for k in kernels) / 1e6


# --- PyTorch --------------------------------------------------------------------------------------


def torch_ms(make, run, sets=3, seconds=0.3):
    """The time of torch_median, or None with a line where PyTorch is not there or cannot run it."""
    if torch is None:
        return None
    try:
        return torch_median(make, run, sets, seconds)
    except Exception as error:  # whatever a peer has: it is no failure of ours
        print(f"PyTorch: {type(error).__name__}: {str(error).splitlines()[0][:150]}", flush=True)
        return None


def torch_median(make, run, sets, seconds):
    """Median milliseconds of run(*inputs) by events, with |sets| sets of inputs in turn."""
    inputs = [make() for _ in range(sets)]
    for i in range(6):
        run(*inputs[i % sets])
    torch.cuda.synchronize()
    times, start = [], time.monotonic()
    while time.monotonic() - start < seconds or len(times) < 10:
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        run(*inputs[len(times) % sets])
        last.record()
        torch.cuda.synchronize()
        times.append(first.elapsed_time(last))
    return sorted(times)[len(times) // 2]


def torch_dtype(name):
    return {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[name]


def random_cuda(shape, dtype):
    return torch.randn(shape, device="cuda", dtype=torch.float32).to(torch_dtype(dtype))


# --- single operators -----------------------------------------------------------------------------

GEMMS = [  # type, m, n, k
    ("f16", 8192, 8192, 8192),
    ("bf16", 4096, 4096, 4096),
    ("f16", 2048, 2048, 2048),
    ("f16", 512, 4096, 4096),
    ("f16", 16, 4096, 4096),
    ("f16", 1, 4096, 14336),
    ("f32", 4096, 4096, 4096),
    ("f32", 384, 3072, 768),
    ("f32", 1, 4096, 4096),
]
ATTENTIONS = [  # type, batch, heads, kv heads, queries, keys, size, causal
    ("f16", 4, 16, 16, 2048, 2048, 64, False),
    ("f16", 2, 16, 16, 4096, 4096, 128, True),
    ("f16", 1, 32, 8, 1, 2048, 128, False),
    ("f16", 1, 32, 8, 2048, 2048, 128, True),
    ("f32", 1, 12, 12, 384, 384, 64, False),
]
ROWS = [(8192, 4096), (65536, 256), (64, 1048576)]


def row_of(what, ms, peer, peer_ms, amount, unit):
    """|amount| per millisecond in units of 1e9 per second: GFLOP to TFLOP/s, or GB."""
    return {
        "what": what,
        "ms": ms,
        "rate": amount / ms,
        "unit": unit,
        "peer": peer,
        "peer_ms": peer_ms,
        "speed": peer_ms / ms if peer_ms else None,
    }


def gemm_row(tools, args, dtype, m, n, k):
    model = single(
        tools.work, "gemm", "MatMul", [("a", dtype, [m, k])], dtype, [m, n], [("b", dtype, [k, n])]
    )
    report, _ = bench(tools, args, model)
    peer = torch_ms(
        lambda: (random_cuda((m, k), dtype), random_cuda((k, n), dtype)),
        lambda a, b: torch.matmul(a, b),
    )
    what = f"matmul {dtype} {m} x {n} x {k}"
    return row_of(what, device_ms(report), "cuBLAS", peer, 2e-9 * m * n * k, "TFLOP/s")


def attention_row(tools, args, dtype, batch, heads, kv, s, t, size, causal):
    model = single(
        tools.work,
        "attention",
        "Attention",
        [
            ("q", dtype, [batch, heads, s, size]),
            ("k", dtype, [batch, kv, t, size]),
            ("v", dtype, [batch, kv, t, size]),
        ],
        dtype,
        [batch, heads, s, size],
        is_causal=int(causal),
    )
    report, _ = bench(tools, args, model)
    shapes = ((batch, heads, s, size), (batch, kv, t, size), (batch, kv, t, size))
    peer = torch_ms(
        lambda: tuple(random_cuda(shape, dtype) for shape in shapes),
        lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=causal, enable_gqa=kv != heads
        ),
    )
    what = f"attention {dtype} b{batch} h{heads}/{kv} {s} x {t} x {size}{' causal' * causal}"
    gflop = 4e-9 * batch * heads * s * t * size * (0.5 if causal else 1)
    return row_of(what, device_ms(report), "SDPA", peer, gflop, "TFLOP/s")


def copy_rate():
    """GB/s of a device copy, bytes read and written; or None."""
    size = 1 << 30
    ms = torch_ms(
        lambda: (torch.empty(size, device="cuda", dtype=torch.uint8).random_(),
                 torch.empty(size, device="cuda", dtype=torch.uint8)),
        lambda a, b: b.copy_(a),
    )  # fmt: skip
    return 2e-9 * size / (ms * 1e-3) if ms else None


MEMORY = [  # name, operator, bytes moved per element of f16, attributes
    ("relu", "Relu", 4, {}),
    ("softmax", "Softmax", 4, {"axis": -1}),
    ("gelu", "Gelu", 4, {}),
    ("reduce_sum", "ReduceL1", 2, {"keepdims": 1}),
    ("transpose", "Transpose", 4, {"perm": [1, 0]}),
]


def memory_rows(tools, args, rate, rows):
    for name, op, moved, attributes in MEMORY:
        for m, n in [(8, 64)] if args.small else ROWS:
            shape = [n, m] if op == "Transpose" else [1, 1] if op == "ReduceL1" else [m, n]
            model = single(tools.work, name, op, [("x", "f16", [m, n])], "f16", shape, **attributes)
            try:
                report, _ = bench(tools, args, model)
            except RuntimeError as error:
                rows.append({"what": f"{name} f16 {m} x {n}", "error": str(error)})
                continue
            gb = moved * m * n * 1e-9
            peer = gb / rate * 1e3 if rate else None
            row = row_of(f"{name} f16 {m} x {n}", device_ms(report), "copy", peer, gb * 1e3, "GB/s")
            rows.append(row)


def launch_rows(tools, args):
    """What a run costs that computes nothing to speak of, and what loading costs."""
    model = single(tools.work, "add", "Add", [("a", "f32", [256]), ("b", "f32", [256])], "f32", [256])
    report, compiled = bench(tools, args, model)
    return [
        row_of("one Add of 256: latency", report["latency_ms"]["median"], None, None, 0, ""),
        row_of("one Add of 256: load", report["load_ms"], None, None, 0, ""),
        row_of("one Add of 256: first run", report["first_inference_ms"], None, None, 0, ""),
        row_of("one Add of 256: compile", compiled * 1e3, None, None, 0, ""),
    ]


def table(rows):
    lines = [f"{'what':44} {'ms':>10} {'rate':>9} {'':8} {'beside':>8} {'ms':>10} {'speed':>6}"]
    for row in rows:
        if "error" in row:
            lines.append(f"{row['what']:44} {row['error'][:100]}")
            continue
        rate = f"{row['rate']:9.1f} {row['unit']:8}" if row["unit"] else f"{'':18}"
        peer = (
            f"{row['peer']:>8} {row['peer_ms']:10.4f} {row['speed']:6.2f}" if row["peer_ms"] else ""
        )
        lines.append(f"{row['what']:44} {row['ms']:10.4f} {rate} {peer}".rstrip())
    speeds = [row["speed"] for row in rows if row.get("speed")]
    if speeds:
        mean = math.exp(sum(map(math.log, speeds)) / len(speeds))
        lines.append(f"geometric mean of {len(speeds)} speeds: {mean:.2f}")
    return "\n".join(lines)


def small(entry):
    """The same with sizes that an emulator computes in no time; types and flags as they are."""
    return tuple(min(x, 16) if type(x) is int else x for x in entry)


def kernels(args, tools):
    rows = []
    if torch:
        torch.backends.cuda.matmul.allow_tf32 = False
    rate = copy_rate()
    if rate:
        rows.append(row_of("device copy of 1 GiB", 2e3 * (1 << 30) * 1e-9 / rate, None, None,
                           2e3 * (1 << 30) * 1e-9, "GB/s"))  # fmt: skip
    jobs = [(gemm_row, entry) for entry in GEMMS] + [(attention_row, e) for e in ATTENTIONS]
    if args.small:
        jobs = [(make, small(entry)) for make, entry in (*jobs[:2], *jobs[-2:])]
    try:
        for make, entry in jobs:
            try:
                rows.append(make(tools, args, *entry))
            except RuntimeError as error:
                rows.append({"what": f"{make.__name__} {entry}", "error": str(error)})
            print(table(rows[-1:]).splitlines()[1], flush=True)
        memory_rows(tools, args, rate, rows)
        try:
            rows += launch_rows(tools, args)
        except RuntimeError as error:
            rows.append({"what": "one Add of 256", "error": str(error)})
    except gpu_machine.TimeUp as error:
        rows.append({"what": "the rest", "error": str(error)})
    return all("error" not in row for row in rows), table(rows), rows


# --- networks -------------------------------------------------------------------------------------

IMAGE = {"batch": 1}
NETWORKS = {  # symbolic dimensions, the same network in PyTorch
    "resnet50_f16": (IMAGE, "timm:resnet50:f16"),
    "resnet50": (IMAGE, "timm:resnet50:f32"),
    "vit_base_patch16_224": (IMAGE, "timm:vit_base_patch16_224:f32"),
    "vit_large_patch16_224": (IMAGE, "timm:vit_large_patch16_224:f16"),
    "convnext_tiny": (IMAGE, "timm:convnext_tiny:f32"),
    "convnext_base": (IMAGE, "timm:convnext_base:f16"),
    "efficientnet_b0": (IMAGE, "timm:efficientnet_b0:f32"),
    "bert_base": ({"batch": 1, "seq": 128}, None),
    "bert_large": ({"batch": 1, "seq": 384}, None),
    "gpt2": ({"batch": 1, "seq": 1, "past": 128, "total": 129}, None),
    "llama3_1b": ({"batch": 1, "seq": 1, "past": 128, "total": 129}, None),
}


def filled(tools, name):
    """The network with its seeded weights, made on the first call."""
    source = os.path.join(tools.shared, "bench_models")
    target = os.path.join(tools.work, "networks")
    if not os.path.exists(os.path.join(target, name, "made")):
        os.makedirs(target, exist_ok=True)
        script = os.path.join(source, "fill_weights.py")
        subprocess.run([sys.executable, script, name, "--out", target], check=True)
        open(os.path.join(target, name, "made"), "w", encoding="utf-8").close()
    return os.path.join(target, name, "model.onnx")


def compiled_peer(spec):
    """Milliseconds of the network under torch.compile (CUDA graphs), or None where it is not there."""
    try:
        import timm
    except ImportError:
        return None
    _, name, dtype = spec.split(":")
    torch._dynamo.reset()
    model = timm.create_model(name, pretrained=False).cuda().eval().to(torch_dtype(dtype))
    compiled = torch.compile(model, mode="reduce-overhead")
    with torch.no_grad():
        return torch_ms(lambda: (random_cuda((1, 3, 224, 224), dtype),), compiled, seconds=1.0)


def networks(args, tools):
    rows = []
    if not tools.shared or not os.path.isdir(os.path.join(tools.shared, "bench_models")):
        return False, "no bench_models beside the checkout or in the pack", rows
    try:
        for name, (sizes, spec) in NETWORKS.items():
            options = [x for symbol, size in sizes.items() for x in ("--dim", f"{symbol}={size}")]
            try:
                model = filled(tools, name)
                report, seconds = bench(tools, args, model, options, ["--on-device"], seconds=1.0)
                peer = compiled_peer(spec) if torch and spec else None
                row = row_of(name, report["latency_ms"]["median"], "compile", peer, 0, "")
                row["compile_s"], row["device_ms"] = seconds, device_ms(report)
                rows.append(row)
            except (RuntimeError, subprocess.SubprocessError) as error:
                rows.append({"what": name, "error": str(error)})
            shutil.rmtree(os.path.join(tools.work, "networks", name), ignore_errors=True)
            print(table(rows[-1:]).splitlines()[1], flush=True)
    except gpu_machine.TimeUp as error:
        rows.append({"what": "the rest", "error": str(error)})
    return all("error" not in row for row in rows), table(rows), rows
