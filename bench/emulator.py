#!/usr/bin/env python3
"""How fast the GPU emulator is, all checks on, on one host thread.

usage: bench/emulator.py [--save NAME] [--seconds S]

Kernels that a CUDA C compiler made (tests/emu/ptx/kernels.ptx); millions of lane-instructions, and
of multiply-adds, per second of CPU time: the best of five rounds of S seconds. build/ has to be
configured.
"""

import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402

KERNELS = os.path.join(support.ROOT, "tests", "emu", "ptx", "kernels.ptx")


def row_of(line):
    """The label has spaces, its numbers have none; only some kernels have multiply-adds."""
    label, numbers = line[:26].strip(), line[26:].split()
    return {
        "kernel": label,
        "lane_instructions": float(numbers[0]) * 1e6,
        "macs": float(numbers[1]) * 1e6 if len(numbers) == 3 else None,
        "launches": float(numbers[-1]),
    }


def main():
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument("--save", metavar="NAME")
    cli.add_argument("--seconds", type=float, default=0.3)
    args = cli.parse_args()
    built = subprocess.run(
        ["cmake", "--build", support.BUILD, "--target", "emu_bench"],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if built.returncode != 0:
        sys.exit("error: emu_bench could not be built; configure build/ first (./quickstart does)")
    facts = support.machine()
    lines = [support.machine_line(facts), facts["command"], ""]
    program = os.path.join(support.BUILD, "bin", "emu_bench")
    done = subprocess.run(
        [program, KERNELS, str(args.seconds)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"error: {support.failure(program, done.returncode, done.stderr)}")
    lines += done.stdout.rstrip().split("\n")
    print("\n".join(lines))
    if args.save:
        rows = [row_of(line) for line in lines[4:]]
        support.write_results(args.save, "\n".join(lines) + "\n", {"machine": facts, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
