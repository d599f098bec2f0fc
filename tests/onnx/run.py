#!/usr/bin/env python3
"""Runs the official ONNX cases through aicc, against the list of those that do not pass yet.

usage: run.py [--build DIR] [--target T] [--device D] [--jobs N] [--json FILE] [--bless] [NAME...]

NAME is a case or a pattern (test_conv*). A failure that xfail.txt does not list fails the run; so
does a listed case that passes, until its line is removed, and a line that names no case. --bless
rewrites the lines of the cases that ran, each with the reason that the programs gave. Exit: 0 as
expected, 1 not, 77 skipped (no onnx package).
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import cases  # noqa: E402

HEADER = (
    "Official ONNX cases that do not pass yet, a line with the reason each; run.py --bless",
    "rewrites it. The list only shrinks: a listed case that passes fails the test.",
)


def load_cases(folder):
    found = []
    for name in sorted(os.listdir(folder)):
        place = os.path.join(folder, name)
        if not os.path.isdir(place):
            continue
        with open(os.path.join(place, "case.json"), encoding="utf-8") as file:
            facts = json.load(file)
        found.append(cases.Case(name, place, facts["kind"], facts["rtol"], facts["atol"]))
    return found


def xfail_of(target):
    """A target has its own list only where it needs one: what fails on the CPU fails everywhere."""
    own = os.path.join(HERE, f"xfail-{target}.txt")
    return own if os.path.exists(own) else os.path.join(HERE, "xfail.txt")


def arguments():
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    cli.add_argument("--tools", help="folder of aicc and aicc-run (default BUILD/bin)")
    cli.add_argument("--target", default="cpu")
    cli.add_argument("--device", default="")
    cli.add_argument("--jobs", type=int, default=2)
    cli.add_argument("--json", help="default BUILD/onnx-results-TARGET.json")
    cli.add_argument("--xfail", help="default xfail-TARGET.txt or xfail.txt beside this script")
    cli.add_argument("--bless", action="store_true")
    cli.add_argument("names", nargs="*")
    return cli.parse_args()


def main():
    args = arguments()
    build = os.path.abspath(args.build)
    tools = cases.Tools.in_folder(
        args.tools or os.path.join(build, "bin"), args.target, args.device
    )
    folder = os.path.join(build, "onnx-cases")
    made = subprocess.run([sys.executable, os.path.join(HERE, "generate.py"), folder], check=False)
    if made.returncode != 0:
        return made.returncode
    everything = load_cases(folder)
    chosen = [
        c
        for c in everything
        if not args.names or any(fnmatch.fnmatch(c.name, n) for n in args.names)
    ]
    if not chosen:
        sys.exit("error: no case has such a name")
    start = time.monotonic()
    results = cases.run_all(chosen, tools, os.path.join(build, "onnx-work"), args.jobs)
    path = args.xfail or xfail_of(args.target)
    known = cases.read_xfail(path)
    seconds = time.monotonic() - start
    cases.write_json(
        args.json or os.path.join(build, f"onnx-results-{args.target}.json"),
        results,
        target=args.target,
        seconds=round(seconds, 1),
    )
    cases.summary(results, args.target, seconds)
    if args.bless:
        cases.write_xfail(path, results, known, HEADER)
        print(f"wrote {os.path.relpath(path)}")
        known = cases.read_xfail(path)
    faults = cases.judge(results, known, [c.name for c in everything], os.path.basename(path))
    print(
        f"{sum(r.passed for r in results)} passed, {sum(not r.passed for r in results)} failed "
        f"({faults} not as {os.path.basename(path)} says)"
    )
    return 1 if faults else 0


sys.exit(main())
