#!/usr/bin/env python3
"""Compiles the models in the tree and of the shared corpus once each, and runs their test sets.

usage: run.py [--build DIR] [--corpus DIR] [--target T] [--device D] [--jobs N] [--bless] [--slow FILE]
              [NAME...]

The corpus is ../shared/models beside the checkout (or AICC_CORPUS, or --corpus); without it only
the models in the tree run. xfail.txt, or xfail-TARGET.txt where there is one, lists what does not
pass yet; see ../onnx/run.py for its rules; --slow names a list of models that are left out unless
they are named. ties.txt names values that may be rounded either way; outputs are held to the same
bound beside the other answer (../ties.py). Exit: 0 as expected, 1 not, 77 skipped (no onnx package).
"""

import argparse
import fnmatch
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
import cases  # noqa: E402
import ties  # noqa: E402

HEADER = ("Models that do not pass yet, a line with the reason each.",)

# Bounds on |difference| / max |expected|: 2e-4, or what ONNX Runtime's own optimised and
# unoptimised answers differ by, where that is more.
DEFAULT_BOUND = 2e-4
BOUNDS = {
    "int8_mobilenet_maui": 5e-2,
    "resnet18_qdq_int8": 4e-2,
    "llama_dq_int4_blocked": 2e-2,
    "ppocr_v4_det": 3e-3,
    "*fp16*": 5e-3,
    "quantised_cnn": 1e-9,  # its sums are exact
}


def bound_of(name):
    return next(
        (
            bound
            for pattern, bound in BOUNDS.items()
            if fnmatch.fnmatch(os.path.basename(name), pattern)
        ),
        DEFAULT_BOUND,
    )


def find_models(top, prefix, kind, known_ties):
    found = []
    for folder, folders, files in os.walk(top):
        folders.sort()
        if "model.onnx" in files and any(d.startswith("test_data_set_") for d in folders):
            name = prefix + os.path.relpath(folder, top).replace(os.sep, "/")
            case = cases.Case(name, folder, kind, of_max=bound_of(name), most_arena=1.05)
            case.ties = known_ties.get(name, {})
            found.append(case)
            folders.clear()
    return found


def arguments():
    corpus = os.environ.get("AICC_CORPUS", os.path.join(ROOT, "..", "shared", "models"))
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("--build", default=os.path.join(ROOT, "build"))
    cli.add_argument("--tools", help="folder of aicc and aicc-run (default BUILD/bin)")
    cli.add_argument("--corpus", default=corpus)
    cli.add_argument("--target", default="cpu")
    cli.add_argument("--device", default="")
    cli.add_argument("--jobs", type=int, default=2)
    cli.add_argument("--json", help="default BUILD/model-results-TARGET.json")
    cli.add_argument("--xfail", help="default: see above")
    cli.add_argument("--bless", action="store_true")
    cli.add_argument("--slow", help="a list like xfail.txt: models that run only when they are named")
    cli.add_argument("names", nargs="*")
    args = cli.parse_args()
    own = os.path.join(HERE, f"xfail-{args.target}.txt")
    args.xfail = args.xfail or (own if os.path.exists(own) else os.path.join(HERE, "xfail.txt"))
    return args


def show(result):
    word = "pass" if result.passed else "FAIL"
    print(
        f"  {word} {result.name:36} {result.sets} sets  worst {result.worst:8.1e}  "
        f"compile {result.compile_seconds:6.1f} s  run {result.run_seconds:6.1f} s"
        + "".join(f", {note}" for note in result.notes)
        + ("" if result.passed else f"\n       {result.message}"),
        flush=True,
    )


def main():
    args = arguments()
    build = os.path.abspath(args.build)
    tools = cases.Tools.in_folder(
        args.tools or os.path.join(build, "bin"), args.target, args.device
    )
    known_ties = ties.read(os.path.join(HERE, "ties.txt"))
    everything = find_models(os.path.join(ROOT, "models"), "models/", "in the tree", known_ties)
    corpus = os.path.isdir(args.corpus)
    if corpus:
        everything += find_models(args.corpus, "", "corpus", known_ties)
    else:
        print(f"no corpus at {args.corpus}: only the models in the tree run")
    slow = cases.read_xfail(args.slow) if args.slow else {}
    chosen = [
        c
        for c in everything
        if (any(fnmatch.fnmatch(c.name, n) for n in args.names) if args.names else c.name not in slow)
    ]
    if not chosen:
        sys.exit("error: no model has such a name")
    start = time.monotonic()
    results = cases.run_all(chosen, tools, os.path.join(build, "model-work"), args.jobs, show)
    seconds = time.monotonic() - start
    cases.write_json(
        args.json or os.path.join(build, f"model-results-{args.target}.json"),
        results,
        target=args.target,
        seconds=round(seconds, 1),
    )
    cases.summary(results, args.target, seconds)
    known = cases.read_xfail(args.xfail)
    if args.bless:
        cases.write_xfail(args.xfail, results, known, HEADER)
        known = cases.read_xfail(args.xfail)
    names = [c.name for c in everything] if corpus else known  # without it any name may be right
    listed = os.path.basename(args.xfail)
    faults = cases.judge(results, known, names, f"tests/models/{listed}", verbose=False)
    for name in sorted(set(known_ties) - {c.name for c in everything}) if corpus else ():
        faults += 1
        print(f"FAIL tests/models/ties.txt names {name}, and there is no such model")
    turned = sum(r.passed and bool(r.notes) for r in results)
    print(
        f"{sum(r.passed for r in results)} passed, {sum(not r.passed for r in results)} failed "
        f"({faults} not as {listed} says"
        + (f", {turned} with a tie rounded the other way)" if turned else ")")
    )
    return 1 if faults else 0


sys.exit(main())
