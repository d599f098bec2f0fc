"""The parts of the GPU suite: each a function (args, tools) -> Part."""

import os
import subprocess
import sys
from dataclasses import dataclass, field

import gpu_machine
import gpu_times

ROOT = gpu_machine.ROOT


@dataclass
class Part:
    ok: bool
    text: str
    rows: list = field(default_factory=list)


def judged(args, tools, script, *more):
    """One of the scripts under tests/, with the programs and the device of the suite."""
    command = [
        sys.executable,
        os.path.join(ROOT, "tests", script),
        "--build",
        tools.work,
        "--tools",
        tools.bin,
        "--target",
        args.target,
        "--device",
        args.device,
        "--jobs",
        str(args.jobs),
        *more,
        *args.names,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    shown = [x for x in lines if x.startswith(("FAIL", "  FAIL", "       ", "error", "target"))]
    found = gpu_machine.counts(done.stdout)
    text = "\n".join(shown[-60:] + [x for x in lines[-1:] if x not in shown])
    return Part(done.returncode == 0, text, [{"script": script, "counts": found}])


def cases(args, tools):
    return judged(args, tools, "onnx/run.py")


def models(args, tools):
    more = ["--corpus", os.path.join(tools.shared, "models")] if tools.shared else []
    return judged(args, tools, "models/run.py", *more)


def emulator(args, tools):
    """The emulator's tables of instructions know their answers from the definitions: the GPU must agree."""
    table = os.path.join(tools.work, "cases.txt")
    script = os.path.join(ROOT, "tests", "emu", "instructions.py")
    command = [sys.executable, script, table, *args.names[:1]]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    done = tools.call("emu_gpu_cases", table, check=False)
    said = (done.stdout + done.stderr).strip().splitlines()
    wrong = [x for x in said if " rows wrong" in x]
    rows = [{"wrong": wrong, "said": said[-1] if said else ""}]
    return Part(done.returncode == 0, "\n".join(said[-60:]), rows)


def kernels(args, tools):
    return Part(*gpu_times.kernels(args, tools))


def networks(args, tools):
    return Part(*gpu_times.networks(args, tools))


PARTS = {
    "cases": cases,
    "models": models,
    "emulator": emulator,
    "kernels": kernels,
    "networks": networks,
}
