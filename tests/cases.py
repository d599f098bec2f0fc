"""Compile a model, run its test sets, compare: what tests/onnx and tests/models share.

A case is a folder with model.onnx and test_data_set_N/{input,output}_J.pb, the layout of the
official ONNX tests. It passes when aicc compiles it once and every set, run from that one file,
agrees. What agrees is decided here with NumPy from the .npy files that aicc-run wrote; aicc-run's
own verdict (exit 0 or 3) has to be the same, so that neither comparison is trusted alone.
"""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
except ImportError as error:  # CTest reads 77 as "skipped"
    print(f"skipped: {error}; ./run-tests makes the Python environment of the tests")
    sys.exit(77)

EQUAL, NOT_EQUAL = 0, 3  # exit codes of aicc-run --test-data
COMPILE_SECONDS, RUN_SECONDS = 300, 300


@dataclass
class Case:
    name: str
    folder: str
    kind: str = ""
    rtol: float = 1e-3
    atol: float = 1e-7
    of_max: float = (
        0.0  # when set: |difference| <= of_max * max |expected|, in place of the two above
    )
    options: tuple = ()  # further arguments of aicc
    most_arena: float = 0.0  # when set: arena <= most_arena * the largest sum of live buffers
    ties: dict = field(default_factory=dict)  # of test sets, where they have one: see ties.py

    def sets(self):
        names = [n for n in os.listdir(self.folder) if n.startswith("test_data_set_")]
        return [os.path.join(self.folder, n) for n in sorted(names, key=lambda n: int(n[14:]))]


@dataclass
class Result:
    name: str
    kind: str
    passed: bool = False
    message: str = ""
    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    worst: float = 0.0  # largest |difference| / max |expected| over all outputs and sets
    sets: int = 0
    notes: list = field(default_factory=list)  # of sets that agree with a tie turned, not as it is
    output: str = field(default="", repr=False)  # what the failing program printed


class Failure(Exception):
    """A case does not pass: the reason in one line, and what the program printed."""

    def __init__(self, message, output=""):
        super().__init__(message)
        self.output = output


def one_line(text, folders=()):
    """The first line of a diagnostic without paths, as it goes into a list of known failures."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = next((x for x in lines if "error" in x.lower()), lines[0] if lines else "")
    for folder in folders:
        line = line.replace(folder + "/", "").replace(folder, "")
    line = re.sub(r"(/[\w.+-]+){2,}", lambda m: os.path.basename(m.group(0)), line)
    line = re.sub(r"^(aicc(-run)?|model\.(onnx|so)):\s*", "", re.sub(r"\s+", " ", line))
    line = re.sub(r"^model\.(onnx|so):\s*", "", line)
    line = re.sub(r"^(fatal )?error:\s*", "", line)
    return line[:200].strip()


def finished(program, args, seconds, folders):
    """Runs a program to its end; a Failure where it hangs or dies by a signal."""
    try:
        done = subprocess.run(
            [program, *args], capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{os.path.basename(program)} ran longer than {seconds} s") from None
    text = (done.stderr + done.stdout).decode(errors="replace")
    if done.returncode < 0:
        said = one_line(text, folders)
        raise Failure(
            f"{os.path.basename(program)} was ended by signal {-done.returncode}"
            + (f": {said}" if said else ""),
            text,
        )
    return done.returncode, text


def load_value(path, value_type):
    """One file of a test set as NumPy values: array, list (sequence), None (empty optional)."""
    with open(path, "rb") as file:
        data = file.read()
    if value_type.HasField("sequence_type"):
        sequence = onnx.SequenceProto.FromString(data)
        maps = [numpy_helper.to_dict(m) for m in sequence.map_values]
        # Maps are the rows of a matrix, with a column for each key.
        return np.array([[m[k] for k in sorted(m)] for m in maps]) if maps else (
            numpy_helper.to_list(sequence))
    if value_type.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    if value_type.HasField("map_type"):
        return numpy_helper.to_dict(onnx.MapProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def load_actual(path, expected):
    """output_J.npy in the expected type; types without a .npy name are raw bytes."""
    actual = np.load(path, allow_pickle=False)
    if actual.dtype.kind == "V" and actual.dtype.itemsize == expected.dtype.itemsize:
        return actual.view(expected.dtype)
    if actual.dtype.kind in "SU" and expected.dtype.kind in "OSU":
        return actual.astype(str)
    return actual


def difference(actual, expected, case):
    """(agrees, largest difference relative to max |expected|, reason) of two arrays."""
    if actual.shape != expected.shape:
        return False, float("inf"), f"shape {list(actual.shape)}, expected {list(expected.shape)}"
    if expected.dtype.kind in "OSU":
        same = bool((actual == expected.astype(str)).all())
        return same, 0.0 if same else float("inf"), "strings differ"
    if actual.dtype != expected.dtype:
        return False, float("inf"), f"type {actual.dtype}, expected {expected.dtype}"
    if expected.size == 0:
        return True, 0.0, ""
    if expected.dtype.kind in "biu" and not case.of_max:
        wrong = int((actual != expected).sum())
        return wrong == 0, float(wrong > 0), f"{wrong} of {expected.size} elements differ"
    rtol = case.rtol
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, 2**-6)  # the official runner's own allowance: two bfloat16 ulps
    if expected.dtype.kind == "c":
        a, e = actual.astype(np.complex128), expected.astype(np.complex128)
    else:
        a, e = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(e)
    if not np.array_equal(a[~finite], e[~finite], equal_nan=True):
        return False, float("inf"), "infinities or NaNs differ"
    a, e = a[finite], e[finite]
    if e.size == 0:
        return True, 0.0, ""
    delta, largest = np.abs(a - e), float(np.abs(e).max())
    delta[np.isnan(delta)] = np.inf
    bound = case.of_max * largest if case.of_max else case.atol + rtol * np.abs(e)
    worst = float(delta.max()) / largest if largest else float(delta.max())
    return bool((delta <= bound).all()), worst, f"largest difference {worst:.3g} of max |expected|"


def load_values(folder, kind, infos):
    """{J: value} of a test set's files KIND_J.pb; `infos` are the graph's inputs or outputs."""
    names = [n for n in os.listdir(folder) if re.fullmatch(rf"{kind}_\d+\.pb", n)]
    return {
        j: load_value(os.path.join(folder, f"{kind}_{j}.pb"), infos[j].type)
        for j in sorted(int(n[len(kind) + 1 : -3]) for n in names)
    }


def compare_set(case, expected, out, graph):
    """Compares OUT/output_J.npy with {J: expected}; returns (worst, how many)."""
    worst, compared = 0.0, 0
    for j, wanted in expected.items():
        name, path = graph.output[j].name, os.path.join(out, f"output_{j}.npy")
        if not isinstance(wanted, np.ndarray) or wanted.dtype.kind == "c":
            continue  # no .npy for a sequence or an absent optional: aicc-run's own verdict decides
        if not os.path.exists(path):
            raise Failure(f"aicc-run wrote no output_{j}.npy for output {name}")
        good, relative, reason = difference(load_actual(path, wanted), wanted, case)
        if not good:
            raise Failure(f"output {name}: {reason}")
        worst, compared = max(worst, relative), compared + 1
    return worst, compared


def judge_set(case, folder, out, graph):
    """(worst, how many, note): of the expected files or, says the note, with the tie turned."""
    expected = load_values(folder, "output", graph.output)
    tie = case.ties.get(os.path.basename(folder))
    other = tie.other_answer(case, folder, expected) if tie else None
    try:
        return *compare_set(case, expected, out, graph), ""
    except Failure as failure:
        if not tie:
            raise
        note = f"with tie {tie} rounded the other way"
        try:
            return *compare_set(case, other, out, graph), note
        except Failure as second:
            raise Failure(f"{failure}; {note}: {second}") from None


def run_case(case, tools, work):
    """Compiles the case and runs all its sets; never raises for what the programs under test do."""
    result = Result(case.name, case.kind)
    place = os.path.join(work, case.name)
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    library, folders = os.path.join(place, "model.so"), (place, case.folder)
    start = time.monotonic()
    try:
        options = [*tools.options, *case.options]
        code, text = finished(
            tools.aicc,
            [os.path.join(case.folder, "model.onnx"), "-o", library, *options],
            COMPILE_SECONDS,
            folders,
        )
        result.compile_seconds = time.monotonic() - start
        if code != 0:
            raise Failure(one_line(text, folders) or f"aicc: exit code {code}, no message", text)
        graph = onnx.load(os.path.join(case.folder, "model.onnx"), load_external_data=False).graph
        for folder in case.sets():
            run_set(case, tools, library, folder, graph, result)
        if result.sets == 0:
            raise Failure("the case has no test_data_set_0")
        for name in case.ties:
            if not os.path.isdir(os.path.join(case.folder, name)):
                raise Failure(f"a tie is listed for {name}, which the case does not have")
        result.passed = True
    except Failure as failure:
        result.message, result.output = str(failure), failure.output
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return result


def run_set(case, tools, library, folder, graph, result):
    out = os.path.join(os.path.dirname(library), os.path.basename(folder))
    os.makedirs(out)
    args = [library, "--test-data", folder, "--outputs", out]
    if case.of_max:  # a bound that aicc-run does not know: its verdict is not asked for
        args += ["--rtol", "1e-3", "--atol", "1e-5"]
    else:
        if case.rtol != Case.rtol:  # its own, of bf16 tensors 2^-6, where none is said
            args += ["--rtol", repr(case.rtol)]
        args += ["--atol", repr(case.atol)]
    if tools.device:
        args += ["--device", tools.device]
    if case.most_arena:
        args += ["--memory"]
    start = time.monotonic()
    code, text = finished(tools.run, args, RUN_SECONDS, (os.path.dirname(library), case.folder))
    result.run_seconds += time.monotonic() - start
    where = "" if result.sets == 0 else f"{os.path.basename(folder)}: "
    if code not in (EQUAL, NOT_EQUAL):
        said = one_line(text, (os.path.dirname(library), case.folder))
        raise Failure(where + (said or f"aicc-run: exit code {code}, no message"), text)
    try:
        worst, compared, note = judge_set(case, folder, out, graph)
    except Failure as failure:
        verdict = " (aicc-run called it equal)" if code == EQUAL and not case.of_max else ""
        raise Failure(f"{where}{failure}{verdict}", text) from None
    if code == NOT_EQUAL and not (case.of_max and compared):
        raise Failure(f"{where}aicc-run says not equal: {one_line(text)}", text)
    if case.most_arena:
        check_arena(case, text)
    result.worst = max(result.worst, worst)
    result.notes += [note] if note else []
    result.sets += 1


def check_arena(case, text):
    """How well the buffers of a run were placed, as aicc-run --memory says."""
    found = re.search(r"^memory: arena (\d+) bytes, .* (\d+) bytes$", text, re.M)
    if not found:
        raise Failure("aicc-run --memory says nothing of the arena", text)
    arena, live = int(found[1]), int(found[2])
    if arena > max(case.most_arena * live, live + 256):  # of tiny arenas, four lines of 64 bytes
        raise Failure(f"the arena takes {arena} bytes, the largest sum alive is {live}")


@dataclass
class Tools:
    aicc: str
    run: str
    options: list
    device: str = ""

    @staticmethod
    def in_folder(folder, target="", device=""):
        tools = Tools(
            os.path.join(folder, "aicc"),
            os.path.join(folder, "aicc-run"),
            ["--target", target] if target else [],
            device,
        )
        for program in (tools.aicc, tools.run):
            if not os.access(program, os.X_OK):
                sys.exit(f"error: {program} is missing; build first (ninja -C build)")
        return tools


def run_all(cases, tools, work, jobs, show=None):
    """All cases on `jobs` workers, results in the order of the cases; prints progress."""
    os.makedirs(work, exist_ok=True)
    start, results = time.monotonic(), {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run_case, case, tools, work) for case in cases]
        for done in concurrent.futures.as_completed(waiting):
            result = done.result()
            results[result.name] = result
            if show:
                show(result)
            elif len(results) % 200 == 0 or len(results) == len(cases):
                print(
                    f"  {len(results)} of {len(cases)} cases, "
                    f"{sum(r.passed for r in results.values())} pass, "
                    f"{time.monotonic() - start:.0f} s",
                    flush=True,
                )
    return [results[case.name] for case in cases]


def read_xfail(path):
    """The list of known failures: `name: reason`, sorted, no name twice, each with its reason."""
    known, previous = {}, ""
    if not os.path.exists(path):
        return known
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        name, colon, reason = line.partition(": ")
        if not colon or not reason.strip():
            sys.exit(f"{path}:{number}: a line is `name: reason`")
        if name <= previous:
            sys.exit(f"{path}:{number}: {name} is not in its sorted place, or twice in the list")
        known[name], previous = reason, name
    return known


def write_xfail(path, results, known, header):
    """Rewrites the list from a run of some cases; lines of cases that did not run stay."""
    ran = {r.name for r in results}
    lines = {name: reason for name, reason in known.items() if name not in ran}
    lines.update({r.name: r.message for r in results if not r.passed})
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"# {line}\n" for line in header)
        file.writelines(f"{name}: {lines[name]}\n" for name in sorted(lines))


def judge(results, known, all_names, list_name, verbose=True):
    """Compares a run with the list of known failures; returns the number of faults it prints."""
    faults = 0
    for r in results:
        if not r.passed and r.name not in known:
            faults += 1
            print(f"FAIL {r.name}: {r.message}")
            if verbose and r.output:
                print("".join(f"    {line}\n" for line in r.output.splitlines()[:12]), end="")
        elif r.passed and r.name in known:
            faults += 1
            print(f"FAIL {r.name} passes: remove its line from {list_name}")
    for name in sorted(set(known) - set(all_names)):
        faults += 1
        print(f"FAIL {list_name} names {name}, and there is no such case")
    return faults


def write_json(path, results, **facts):
    rows = [{k: v for k, v in vars(r).items() if k != "output"} for r in results]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(
            {
                **facts,
                "passed": sum(r.passed for r in results),
                "failed": sum(not r.passed for r in results),
                "cases": rows,
            },
            file,
            indent=1,
        )


def summary(results, target, seconds):
    kinds = {}
    for r in results:
        good, total = kinds.get(r.kind, (0, 0))
        kinds[r.kind] = (good + r.passed, total + 1)
    print(f"target {target}, {seconds:.0f} s:")
    for kind, (good, total) in kinds.items():
        print(f"  {kind:18} {good:5} of {total:5} pass")
