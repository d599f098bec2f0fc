"""Rules of CONTRIBUTING.md that a program can check; needs nothing but Python.

- a folder includes itself and those below it, never one above; the runtime includes its own headers
  and libc's, the compiler of the runtime's only aicc/abi.h, tools and tests also aicc/runtime.h;
- a file has at most 800 lines, a function 60;
- a line has at most 100 columns, but in the rows of .def tables;
- every graph attribute, diagnostic and library kernel that a table lists is used;
- every folder of the tree is described in docs/architecture.md.
"""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAYERS = ["proto", "ir", "frontend", "passes", "codegen", "tools"]
MOST_LINES, MOST_FUNCTION_LINES, MOST_COLUMNS = 800, 60, 100
problems = []


def sources(*folders):
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "**", "*.[ch]"), recursive=True)):
            with open(path, encoding="utf-8") as file:
                yield os.path.relpath(path, ROOT), file.read()


def check_includes(path, text):
    layer = path.split(os.sep)[0]
    for name in re.findall(r'^#include "([^"]+)"', text, re.M):
        folder = name.split("/")[0] if "/" in name else layer
        if folder == "aicc":
            allowed = layer in ("runtime", "tools") or name == "aicc/abi.h"
        elif layer == "runtime":
            allowed = folder == "runtime"
        else:
            allowed = folder in LAYERS and LAYERS.index(folder) <= LAYERS.index(layer)
        if not allowed:
            problems.append(f"{path} includes {name}, which is not below it")


def check_lines(path, text):
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        problems.append(f"{path} has {len(lines)} lines, more than {MOST_LINES}")
    for number, line in enumerate(lines, 1):
        if len(line) > MOST_COLUMNS:
            problems.append(f"{path}:{number}: {len(line)} columns, more than {MOST_COLUMNS}")


def check_functions(path, text):
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if re.match(r"[A-Za-z].*\)? \{$", line) and "(" in line or re.match(r" {4,}.*\) \{$", line):
            start = number if start is None else start
        if line == "}":
            if start is not None and number - start + 1 > MOST_FUNCTION_LINES:
                problems.append(f"{path}:{start}: a function of {number - start + 1} lines")
            start = None


def rows(path, macro):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return re.findall(rf"^{macro}\((\w+)", file.read(), re.M)


def check_used(code):
    words = set(re.findall(r"\w+", code))
    for name in rows("ir/attrs.def", "AICC_ATTR"):
        if f"AICC_ATTR_{name}" not in words:
            problems.append(f"ir/attrs.def: nothing uses attribute {name}")
    for name in rows("ir/diags.def", "AICC_DIAG"):
        if name not in words:
            problems.append(f"ir/diags.def: nothing emits {name}")
    for path in glob.glob(os.path.join(ROOT, "passes", "kernels", "*.kir")):
        name = os.path.basename(path).removesuffix(".kir")
        if f'"{name}"' not in code:
            problems.append(f"passes/kernels/{name}.kir: nothing instantiates it")


def check_described():
    with open(os.path.join(ROOT, "docs", "architecture.md"), encoding="utf-8") as file:
        text = file.read()
    for folder in LAYERS + ["runtime"]:
        if f"`{folder}/`" not in text:
            problems.append(f"docs/architecture.md does not describe {folder}/")


def main():
    code = []
    for path, text in sources(*LAYERS, "runtime"):
        if not path.startswith(os.path.join("runtime", "examples")):
            check_includes(path, text)
        check_lines(path, text)
        check_functions(path, text)
        code.append(text)
    for path, text in sources("tests"):
        check_lines(path, text)
    check_used("\n".join(code))
    check_described()
    for problem in problems:
        print(problem)
    print(f"{len(code)} sources, {len(problems)} problems")
    sys.exit(bool(problems) or len(code) < 100)


main()
