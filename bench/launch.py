#!/usr/bin/env python3
"""What the host spends on a kernel launch on an NVIDIA GPU, over a driver whose launches do nothing.

usage: bench/launch.py [--save NAME] [--rounds N] [MODEL...]

The driver is build/emu-null/libcuda.so.1, MODEL a folder of models/. Each is run as it is (every launch
is a call of the driver) and from its recording as a CUDA graph, the two in turn, N times. A run's time
is the median of aicc-bench's runs in the best round; all that a run does counts: host code, uploads,
launches, downloads, the wait. The limit is 1.5 us a launch.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402

MODELS = ["digits", "external_weights", "residual_cnn", "transformer", "detector_head"]
LIMIT_US = 1.5


def bench(args, library, *options):
    """aicc-bench's report of some tenths of a second."""
    report = library + ".json"
    program = os.path.join(args.build, "bin", "aicc-bench")
    command = [program, library, "--device", "cuda", "--duration", "0.3", "--json", report]
    support.call([*command, *options])
    with open(report, encoding="utf-8") as file:
        return json.load(file)


def launches_of(report):
    return sum(k["calls"] for k in report["profile"]["kernels"] if k["kind"] != "host")


def measure(args, name):
    library = os.path.join(args.build, "launch-work", f"{name}.so")
    model = os.path.join(support.ROOT, "models", name, "model.onnx")
    aicc = os.path.join(args.build, "bin", "aicc")
    support.call([aicc, model, "--quiet", "--target", "sm_80", "-o", library])
    row = {"model": name, "launches": launches_of(bench(args, library)), "calls": [], "graph": []}
    for _ in range(args.rounds):
        for key, options in (("calls", ["--no-graphs"]), ("graph", [])):
            report = bench(args, library, "--no-profile", *options)
            row[key].append(1e3 * report["latency_ms"]["median"])
    row["a_launch_us"] = min(row["calls"]) / row["launches"]
    return row


def line_of(row):
    verdict = "<=" if row["a_launch_us"] <= LIMIT_US else "OVER"
    return (
        f"{row['model']:18} {row['launches']:8.4g} {min(row['calls']):10.2f} "
        f"{row['a_launch_us']:8.3f} ({verdict} {LIMIT_US:g}) {min(row['graph']):12.2f}"
    )


def main():
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("--save", metavar="NAME")
    cli.add_argument("--rounds", type=int, default=7)
    cli.add_argument("--build", default=support.BUILD)
    cli.add_argument("models", nargs="*", metavar="MODEL")
    args = cli.parse_args()
    os.environ["LD_LIBRARY_PATH"] = os.path.join(args.build, "emu-null")
    os.environ["AICC_PTXAS"] = ""
    os.makedirs(os.path.join(args.build, "launch-work"), exist_ok=True)
    facts = support.machine()
    head = f"{'model':18} {'launches':>8} {'run us':>10} {'a launch us':>17} {'graph run us':>14}"
    lines = [support.machine_line(facts), facts["command"], "", head]
    print("\n".join(lines), flush=True)
    rows = []
    for name in args.models or MODELS:
        rows.append(measure(args, name))
        lines.append(line_of(rows[-1]))
        print(lines[-1], flush=True)
    if args.save:
        stem = os.path.join(support.HERE, "results", args.save)
        with open(stem + ".txt", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        with open(stem + ".json", "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "rows": rows}, file, indent=1)
    return 1 if any(row["a_launch_us"] > LIMIT_US for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
