#!/usr/bin/env python3
"""Times aicc against ONNX Runtime (and OpenVINO) on the same inputs, in interleaved rounds.

usage: bench/run.py [--rounds N] [--seconds S] [--threads N] [--peers ort,openvino] [--dynamic]
                    [--quantised] [--save NAME] [MODEL...]

Makes its own Python environment and models under build/. A model's outputs are compared with ONNX
Runtime's first; one that differs gets no time. Every round times each engine once, aicc in a
process of its own; a time is the median over the rounds of the round's median, a speed the median
over the rounds of (peer / aicc), so that what else the machine does falls on both. Symbolic
dimensions are fixed for every engine; --dynamic leaves them symbolic for every one. --quantised is
for networks of 8 bits, whose outputs are compared with ONNX Runtime's of the graph as written.
--save writes bench/results/NAME.txt, .json.
"""

import argparse
import math
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402

IMAGE = {"batch": 1}
MODELS = {  # the symbolic dimensions, or for a model without names for them the inputs' shapes
    "resnet50": IMAGE,
    "mobilenetv3_small": IMAGE,
    "efficientnet_b0": IMAGE,
    "convnext_tiny": IMAGE,
    "vit_base_patch16_224": IMAGE,
    "bert_base": {"batch": 1, "seq": 128},
    "gpt2": {"batch": 1, "seq": 1, "past": 128, "total": 129},
    "yolox_nano": {},
    "ppocr_v4_det": {"x": (1, 3, 320, 320)},
    "ultraface_rfb_320": {},
    "silero_vad": {"input": (1, 576), "state": (2, 1, 128), "sr": ()},
}
QUANTISED = {
    "resnet50_qdq_u8": IMAGE,
    "resnet50_qdq_i8": IMAGE,
    "mobilenetv3_small_qdq_u8": IMAGE,
    "bert_base_dynamic": {"batch": 1, "seq": 128},
    "int8_mobilenet_maui": {"image": (1, 3, 244, 244)},
}


def arguments():
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("--rounds", type=int, default=7)
    cli.add_argument("--seconds", type=float, default=2.0, help="of each engine in each round")
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--peers", default="ort", help="ort, or ort,openvino")
    cli.add_argument("--dynamic", action="store_true")
    cli.add_argument("--target", default="native", help="aicc --target")
    cli.add_argument("--quantised", action="store_true", help="networks of 8 bits")
    cli.add_argument("--save", metavar="NAME")
    cli.add_argument("--bin", default=os.path.join(support.BUILD, "bin"), help="folder of aicc")
    cli.add_argument("models", nargs="*", metavar="MODEL")
    args = cli.parse_args()
    known = {**MODELS, **QUANTISED}
    unknown = set(args.models) - set(known)
    if unknown:
        cli.error(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    args.models = args.models or list(QUANTISED if args.quantised else MODELS)
    args.sizes, args.of_bytes = known, set(QUANTISED)
    return args


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def table(rows, peers, facts, args):
    head = f"{'model':24} {'aicc ms':>9}" + "".join(
        f" {p + ' ms':>12} {'x ' + p:>11}" for p in peers
    )
    kind = "8 bits" if args.of_bytes.issuperset(args.models) else "f32"
    lines = [
        support.machine_line(facts),
        f"{facts['command']}",
        "",
        f"batch 1, {kind}, {args.threads} threads, median of {args.rounds} interleaved rounds; "
        + ("symbolic" if args.dynamic else "fixed")
        + " dimensions; x ort: times ONNX Runtime's speed",
        "",
        head + "  compile s  difference",
    ]
    for row in rows:
        if "error" in row:
            lines.append(f"{row['model']:24} {'-':>9}  {row['error']}")
            continue
        line = f"{row['model']:24} {row['aicc_ms']:9.3f}"
        for peer in peers:
            line += f" {row[peer + '_ms']:12.3f} {row['speed_' + peer]:11.2f}"
        lines.append(line + f" {row['compile_s']:10.1f} {row['difference']:11.1e}")
    good = [row for row in rows if "error" not in row]
    for peer in peers:
        speeds = [row["speed_" + peer] for row in good]
        if speeds:
            lines.append(
                f"geometric mean over {len(speeds)} of {len(rows)} models: "
                f"{geometric_mean(speeds):.2f} x {peer}; least {min(speeds):.2f} x"
            )
    return "\n".join(lines) + "\n"


def main():
    args = arguments()
    peers = args.peers.split(",")
    if "ort" not in peers or set(peers) - {"ort", "openvino"}:
        sys.exit("error: --peers is ort or ort,openvino (ort gives the expected outputs)")
    names = {"ort": "onnxruntime", "openvino": "openvino"}
    support.enter_environment(["onnx", "numpy", *(names[p] for p in peers)])
    from measure import measure  # needs that environment

    facts, rows = support.machine(), []
    for name in args.models:
        work = os.path.join(support.BUILD, "bench-work")
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        rows.append(measure(name, args.sizes[name], args, work))
        print(table(rows[-1:], peers, facts, args).splitlines()[6], flush=True)
        shutil.rmtree(work, ignore_errors=True)
    text = table(rows, peers, facts, args)
    print("\n" + text)
    if args.save:
        support.write_results(
            args.save,
            text,
            {"machine": facts, "rounds": args.rounds, "threads": args.threads, "rows": rows},
        )
    return 1 if any("error" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
