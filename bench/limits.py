#!/usr/bin/env python3
"""Compile time and memory, run overhead and load time, each beside the limit we set.

usage: bench/limits.py [--save NAME] [MODEL...]

For each model: the wall time of aicc, the most private memory (RssAnon) and the most memory
altogether, mapped weights included, of aicc and its worker processes at any moment (read every 20
ms), the size of model.so and the time to load it. Then the median time of a run of a model of one
Add.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402

# (seconds, MB of memory beside the mapped weights, ms to load); None where nothing is promised
LIMITS = {
    "resnet50": (4, None, None),
    "bert_base": (6, 300, None),
    "gpt2": (None, 300, 50),
    "llama3_1b": (60, 1000, None),
}
OVERHEAD_US = 1.0


def family(pid):
    """A process and all it started."""
    members = [pid]
    for member in members:
        try:
            for task in os.listdir(f"/proc/{member}/task"):
                with open(f"/proc/{member}/task/{task}/children", encoding="ascii") as file:
                    members += map(int, file.read().split())
        except OSError:
            continue  # it ended meanwhile
    return members


def memory_of(pid):
    """(private, altogether) MB that a family of processes holds now."""
    private = together = 0
    for member in family(pid):
        try:
            with open(f"/proc/{member}/status", encoding="utf-8") as file:
                status = dict(re.findall(r"^(VmRSS|RssAnon):\s*(\d+) kB", file.read(), re.M))
        except OSError:
            continue
        private += int(status.get("RssAnon", 0))
        together += int(status.get("VmRSS", 0))
    return private / 1e3, together / 1e3


def compiled(command):
    """(seconds, most private MB, most MB altogether) of a command that has to succeed."""
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    private = together = 0.0
    while process.poll() is None:
        now = memory_of(process.pid)
        private, together = max(private, now[0]), max(together, now[1])
        time.sleep(0.02)
    seconds = time.monotonic() - start
    if process.returncode != 0:
        raise RuntimeError(support.failure(command[0], process.returncode, process.stderr.read()))
    return seconds, private, together


def bench(folder, library, *options):
    report = library + ".json"
    support.call([os.path.join(folder, "aicc-bench"), library, *options, "--json", report])
    with open(report, encoding="utf-8") as file:
        return json.load(file)


def measure(name, args, work):
    row, library = {"model": name}, os.path.join(work, "model.so")
    try:
        path, row["from"] = support.find_model(name)
        values = compiled([os.path.join(args.bin, "aicc"), path, "-o", library])
        row["seconds"], row["private_mb"], row["together_mb"] = values
        row["file_mb"] = os.path.getsize(library) / 1e6
        start = time.monotonic()
        support.call([os.path.join(args.bin, "aicc-run"), library, "--inspect"])
        row["load_ms"] = 1e3 * (time.monotonic() - start)
    except (RuntimeError, OSError) as error:
        row["error"] = str(error)
    return row


def overhead(args, work):
    path, _ = support.find_model("one_add")
    library = os.path.join(work, "add.so")
    compiled([os.path.join(args.bin, "aicc"), path, "-o", library])
    return 1e3 * bench(args.bin, library)["latency_ms"]["median"]


def against(value, limit, form):
    text = format(value, form)
    return text if limit is None else f"{text} ({'<=' if value <= limit else 'OVER'} {limit:g})"


def line_of(row):
    if "error" in row:
        return f"{row['model']:14} {row['error']}"
    limits = LIMITS.get(row["model"], (None, None, None))
    return (
        f"{row['model']:14} {against(row['seconds'], limits[0], '.2f'):>16} "
        f"{against(row['private_mb'], limits[1], '.0f'):>16} {row['together_mb']:14.0f} "
        f"{row['file_mb']:9.1f} {against(row['load_ms'], limits[2], '.1f'):>16}"
    )


def main():
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("--save", metavar="NAME")
    cli.add_argument("--bin", default=os.path.join(support.BUILD, "bin"), help="folder of aicc")
    cli.add_argument("models", nargs="*", metavar="MODEL")
    args = cli.parse_args()
    support.enter_environment(["onnx", "numpy"])
    work = os.path.join(support.BUILD, "limits-work")
    facts, rows = support.machine(), []
    lines = [
        support.machine_line(facts),
        facts["command"],
        "",
        f"{'model':14} {'compile s':>16} {'private MB':>16} {'with maps MB':>14} {'.so MB':>9} "
        f"{'load ms':>16}",
    ]
    print("\n".join(lines), flush=True)
    for name in args.models or LIMITS:
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        rows.append(measure(name, args, work))
        lines.append(line_of(rows[-1]))
        print(lines[-1], flush=True)
    try:
        microseconds = overhead(args, work)
        lines.append(f"one Add: {against(microseconds, OVERHEAD_US, '.2f')} us a run")
        rows.append({"model": "one_add", "run_us": microseconds})
    except (RuntimeError, OSError) as error:
        lines.append(f"one Add: {error}")
        rows.append({"model": "one_add", "error": str(error)})
    print(lines[-1])
    shutil.rmtree(work, ignore_errors=True)
    if args.save:
        support.write_results(args.save, "\n".join(lines) + "\n", {"machine": facts, "rows": rows})
    return 1 if any("error" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
