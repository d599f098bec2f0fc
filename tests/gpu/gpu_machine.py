"""The GPU and the programs of the suite: what is there, and what it is called in the tables."""

import contextlib
import datetime
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def find(device):
    """The facts of the device, or None where nvidia-smi finds no such GPU."""
    number = device.partition(":")[2] or "0"
    query = "name,driver_version,memory.total,compute_cap"
    line = output_of(
        "nvidia-smi", f"--id={number}", f"--query-gpu={query}", "--format=csv,noheader"
    )
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 4:
        return None
    dirty = "+" if output_of("git", "-C", ROOT, "status", "--porcelain", "-uno") else ""
    return {
        "gpu": fields[0],
        "driver": fields[1],
        "memory": fields[2],
        "capability": fields[3],
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": output_of("git", "-C", ROOT, "rev-parse", "--short", "HEAD") + dirty,
        "command": " ".join([os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
    }


def line(machine, args):
    commit = f"; commit {machine['commit']}" if machine["commit"] else ""
    return (
        f"{machine['gpu']} (compute capability {machine['capability']}, {machine['memory']}), driver "
        f"{machine['driver']}; {machine['date']}{commit}; target {args.target}\n{machine['command']}"
    )


class TimeUp(BaseException):
    """No Exception: what forgives peers and single rows does not forgive this."""


@contextlib.contextmanager
def at_most(seconds):
    """Raises TimeUp in the body once it has run so long."""

    def up(*_):
        raise TimeUp(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Tools:
    bin: str  # folder of aicc, aicc-run, aicc-bench
    shared: str  # folder of models and bench_models, or ""
    work: str  # for what the suite makes

    def call(self, program, *args, check=True, seconds=600):
        """Runs one of our programs; its output, or RuntimeError with the first line it said."""
        try:
            done = subprocess.run(
                [os.path.join(self.bin, program), *args],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{program} was not done after {seconds} s") from error
        if check and done.returncode != 0:
            said = [x for x in (done.stderr + done.stdout).splitlines() if x.strip()]
            raise RuntimeError(f"{program}, exit {done.returncode}: {said[0] if said else ''}"[:300])
        return done


def unpack(packs, place):
    stamp = os.path.join(place, "stamp")
    facts = "\n".join(f"{os.path.getsize(p)} {int(os.path.getmtime(p))}" for p in packs)
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != facts:
        os.makedirs(place, exist_ok=True)
        for pack in packs:
            with tarfile.open(pack) as tar:
                tar.extractall(place, filter="fully_trusted")
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(facts)


def tools(pack, build):
    """This tree's own build, else the pack's programs with their libraries beside them."""
    own = os.path.join(build, "bin")
    work = os.path.join(build, "gpu-work")
    os.makedirs(work, exist_ok=True)
    if not pack and os.access(os.path.join(own, "aicc"), os.X_OK):
        shared = os.environ.get("AICC_SHARED", os.path.join(ROOT, "..", "shared"))
        return Tools(own, shared if os.path.isdir(shared) else "", work)
    folders = [pack] if pack else [build, os.path.join(ROOT, ".pack")]
    packs = [p for top in folders for p in sorted(glob.glob(os.path.join(top, "gpu-pack-*.tar.xz")))]
    if not packs:
        sys.exit("error: no build/bin/aicc here, and no gpu-pack-*.tar.xz (tests/gpu/pack makes them)")
    place = os.path.join(build, "gpu-pack")
    unpack(packs, place)
    libraries = os.path.join(place, "lib")
    os.environ["LD_LIBRARY_PATH"] = ":".join(
        filter(None, [os.environ.get("LD_LIBRARY_PATH"), libraries])
    )
    os.environ["PATH"] = os.path.join(place, "bin") + ":" + os.environ["PATH"]  # ld.lld-22
    os.environ["AICC_SHARED"] = os.path.join(place, "shared")
    return Tools(os.path.join(place, "bin"), os.path.join(place, "shared"), work)


def target_of(machine, tools_):
    """The best target that aicc has for the device: its own, or the next older of its family."""
    known = tools_.call("aicc", "--list-targets").stdout.split()
    major, minor = (int(n) for n in machine["capability"].split("."))
    names = [f"sm_{major}{minor}a"] + [f"sm_{major}{m}" for m in range(minor, -1, -1)]
    names += [f"sm_{n}" for n in (90, 89, 86, 80, 75) if n <= major * 10 + minor]
    for name in names:
        if name in known:
            return name
    sys.exit(f"error: aicc has no target for compute capability {machine['capability']}")


def save(args, machine, report, name, part):
    """bench/results/NAME-PART.txt: one table a file; NAME.json: all of the run."""
    folder = os.path.join(ROOT, "bench", "results")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{args.save}-{name}.txt"), "w", encoding="utf-8") as file:
        file.write(f"{line(machine, args)}\n\n{part.text}\n")
    with open(os.path.join(folder, f"{args.save}.json"), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)


def counts(text):
    """(passed, failed) of the last line `N passed, N failed` of a program's output; or None."""
    found = re.findall(r"(\d+) passed, (\d+) failed", text)
    return (int(found[-1][0]), int(found[-1][1])) if found else None
