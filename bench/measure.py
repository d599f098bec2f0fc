"""One row of the benchmark's table: a model through aicc and its peers, on the same inputs.

Imported once the environment is there (support.enter_environment).
"""

import json
import os
import statistics
import time

import numpy as np
import onnx

import support

BOUNDS = {"ppocr_v4_det": 3e-3}  # of max |output|; the others 2e-4
QUANTISED_BOUND = 0.1  # roundings that fall the other way are carried on
INTEGERS = {"attention_mask": 1, "token_type_ids": 0, "position_ids": 128, "sr": 16000}


def inputs_of(model, sizes):
    """Seeded inputs for every graph input that is not a weight."""
    random = np.random.default_rng(1)
    weights = {w.name for w in model.graph.initializer}
    feeds = {}
    for info in model.graph.input:
        if info.name in weights:
            continue
        tensor = info.type.tensor_type
        shape = (
            sizes.get(info.name)
            if isinstance(sizes.get(info.name), tuple)
            else [sizes[d.dim_param] if d.dim_param else d.dim_value for d in tensor.shape.dim]
        )
        if tensor.elem_type == onnx.TensorProto.FLOAT:
            feeds[info.name] = random.normal(0, 1, shape).astype(np.float32)
        elif info.name in INTEGERS:
            feeds[info.name] = np.full(shape, INTEGERS[info.name], np.int64)
        else:
            feeds[info.name] = random.integers(0, 1000, shape)
    return feeds


def timed(run, seconds):
    """The median time of a call in ms, over at least five calls."""
    run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


class Ort:
    def __init__(self, path, feeds, sizes, threads, as_written=False):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if as_written:  # operator by operator
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        for symbol, size in sizes.items():
            if not isinstance(size, tuple):
                options.add_free_dimension_override_by_name(symbol, size)
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.feeds = feeds

    def run(self):
        return self.session.run(None, self.feeds)


class OpenVino:
    def __init__(self, path, feeds, _sizes, threads):
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        model.reshape({name: list(value.shape) for name, value in feeds.items()})
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.request = core.compile_model(model, "CPU", options).create_infer_request()
        self.feeds = feeds

    def run(self):
        return self.request.infer(self.feeds)


PEERS = {"ort": Ort, "openvino": OpenVino}


class Aicc:
    """The programs under test, as a user runs them."""

    def __init__(self, args, path, feeds, sizes, work):
        self.args, self.feeds, self.work = args, feeds, work
        self.library = os.path.join(work, "model.so")
        command = [
            os.path.join(args.bin, "aicc"),
            path,
            "-o",
            self.library,
            "--target",
            args.target,
        ]
        for name, size in sizes.items():
            command += (
                (["--shapes", f"{name}:" + "x".join(map(str, size))] if size else [])
                if (isinstance(size, tuple))
                else ["--dim", f"{name}={size}"]
            )
        start = time.monotonic()
        support.call(command)
        self.compile_seconds = time.monotonic() - start
        self.inputs = []
        for number, (name, value) in enumerate(feeds.items()):
            file = os.path.join(work, f"{number}.npy")
            np.save(file, value)
            self.inputs += ["--input", f"{name}=@{file}"]

    def outputs(self, count):
        out = os.path.join(self.work, "out")
        os.makedirs(out, exist_ok=True)
        support.call(
            [os.path.join(self.args.bin, "aicc-run"), self.library, *self.inputs, "--outputs", out]
        )
        return [np.load(os.path.join(out, f"output_{j}.npy")) for j in range(count)]

    def bench(self, seconds):
        report = os.path.join(self.work, "bench.json")
        support.call(
            [
                os.path.join(self.args.bin, "aicc-bench"),
                self.library,
                *self.inputs,
                "--threads",
                str(self.args.threads),
                "--duration",
                str(seconds),
                "--json",
                report,
            ]
        )
        with open(report, encoding="utf-8") as file:
            return json.load(file)


def differs(actual, expected, bound):
    """The largest difference relative to max |expected|; raises where it is over the bound."""
    worst = 0.0
    for a, e in zip(actual, expected):
        if a.shape != e.shape or a.dtype != e.dtype:
            raise RuntimeError(
                f"wrong output: {a.dtype}{list(a.shape)}, not {e.dtype}{list(e.shape)}"
            )
        delta = float(np.abs(a.astype(np.float64) - e).max()) if e.size else 0.0
        worst = max(worst, delta / (float(np.abs(e).max()) or 1.0))
    if not worst <= bound:
        raise RuntimeError(f"wrong output: differs by {worst:.1e} of max |output|")
    return worst


def measure(name, sizes, args, work):
    """One row of the table; where it cannot be had, the row says why."""
    row = {"model": name}
    try:
        path, row["from"] = support.find_model(name)
        model = onnx.load(path, load_external_data=False)
        feeds = inputs_of(model, sizes)
        fixed = {} if args.dynamic else sizes
        peers = {
            p: PEERS[p](path, feeds, fixed, args.threads)
            for p in args.peers.split(",")
        }
        quantised = name in args.of_bytes
        judge = Ort(path, feeds, fixed, args.threads, as_written=True) if quantised else peers["ort"]
        expected = judge.run()
        aicc = Aicc(args, path, feeds, fixed, work)
        row["compile_s"] = round(aicc.compile_seconds, 2)
        bound = QUANTISED_BOUND if quantised else BOUNDS.get(name, 2e-4)
        row["difference"] = differs(aicc.outputs(len(expected)), expected, bound)
        rounds = {engine: [] for engine in ("aicc", *peers)}
        for _ in range(args.rounds):
            rounds["aicc"].append(aicc.bench(args.seconds)["latency_ms"]["median"])
            for peer, engine in peers.items():
                rounds[peer].append(timed(engine.run, args.seconds))
        for engine, times in rounds.items():
            row[engine + "_ms"] = statistics.median(times)
        for peer in peers:
            row["speed_" + peer] = statistics.median(
                p / a for p, a in zip(rounds[peer], rounds["aicc"])
            )
        row["rounds_ms"] = rounds
    except (RuntimeError, OSError, ValueError) as error:
        row["error"] = str(error)
    return row
