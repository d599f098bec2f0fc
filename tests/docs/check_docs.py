"""The texts of the tree against the programs. Needs nothing but Python.

- every relative link of every *.md leads to a file, and to a heading where it names one;
- every `aicc* --option` that a text shows is in that program's --help;
- docs/man/TOOL.1 and TOOL --help name the same options;
- docs/operators.md is what `aicc --list-ops --markdown` prints (AICC_BLESS=1 rewrites it);
- every block of README.md and docs/*.md that is fenced as ```sh runs, in a folder where build/ and
  models/ are those of this tree.
"""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(sys.argv[1])
TOOLS = ("aicc", "aicc-opt", "aicc-run", "aicc-bench")
problems = []


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def markdown_files():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if not f.startswith((".", "build"))]
        for name in files:
            if name.endswith(".md"):
                yield os.path.relpath(os.path.join(folder, name), ROOT)


def tool(name, *args):
    done = subprocess.run([os.path.join(BUILD, "bin", name), *args], capture_output=True, text=True,
                          timeout=60, check=True)
    return done.stdout


def anchor(heading):
    """The anchor that a forge gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def without_code(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^    .*$", "", text, flags=re.M))


def check_links(path, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        full = os.path.normpath(os.path.join(ROOT, os.path.dirname(path), file)) if file else \
            os.path.join(ROOT, path)
        if not os.path.exists(full):
            problems.append(f"{path}: the link {target} leads nowhere")
        elif heading and heading not in map(anchor, re.findall(r"^#+ (.*)$", read(full), re.M)):
            problems.append(f"{path}: {file or path} has no heading #{heading}")


def help_options(name):
    text = tool(name, "--help").split("options:")[1].split("examples:")[0]
    heads = re.findall(r"^  (-.*?)(?:  |$)", text, re.M)
    return {option for head in heads for option in re.findall(r"--?[a-z][a-z-]*", head)}


def check_options(path, text, known):
    code = re.findall(r"^    .*$|`[^`\n]*`", text, re.M)
    code += [line for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.S | re.M)
             for line in block.splitlines()]
    for line in code:
        for command in re.split(r"[|;`]|&&| #", line):
            found = re.search(r"(?:^|[\s/(])(aicc(?:-opt|-run|-bench)?) (.*)", command)
            if not found or found[1] not in known:
                continue
            for option in re.findall(r"(?:^|\s)(--?[a-z][a-z-]*)", found[2]):
                if option not in known[found[1]]:
                    problems.append(f"{path}: {found[1]} has no option {option}")


def check_man(name, known):
    page = read(f"docs/man/{name}.1").replace(r"\-", "-").replace(r"\fR", "").replace(r"\fB", "")
    section = page.split(".SH OPTIONS")[1].split(".SH")[0]
    heads = re.findall(r"^\.TP\n(.*)$", section, re.M)
    stated = {option for head in heads for option in re.findall(r"--?[a-z][a-z-]*", head)}
    for option in sorted(known - stated):
        problems.append(f"docs/man/{name}.1 lacks {option}")
    for option in sorted(stated - known):
        problems.append(f"docs/man/{name}.1: {name} has no option {option}")


def check_operators():
    path = os.path.join(ROOT, "docs", "operators.md")
    printed = tool("aicc", "--list-ops", "--markdown")
    if os.environ.get("AICC_BLESS"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(printed)
    if not os.path.exists(path) or read(path) != printed:
        problems.append("docs/operators.md is not what aicc --list-ops --markdown prints; "
                        "AICC_BLESS=1 rewrites it")


def check_commands(path, text):
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M):
        with tempfile.TemporaryDirectory() as work:
            os.symlink(BUILD, os.path.join(work, "build"))
            os.symlink(os.path.join(ROOT, "models"), os.path.join(work, "models"))
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=work, text=True,
                                  capture_output=True, timeout=240)
            if done.returncode != 0:
                problems.append(f"{path}: this block ended with {done.returncode}:\n{block}"
                                f"{done.stdout[-2000:]}{done.stderr[-2000:]}")


def main():
    known = {name: help_options(name) for name in TOOLS}
    if any(len(options) < 5 for options in known.values()):
        problems.append(f"--help of the programs is not understood: {known}")
    files = sorted(markdown_files())
    for path in files:
        text = read(path)
        check_links(path, text)
        check_options(path, text, known)
        if path == "README.md" or os.path.dirname(path) == "docs":
            check_commands(path, text)
    for name in TOOLS:
        check_man(name, known[name])
    check_operators()
    for problem in problems:
        print(problem)
    print(f"{len(files)} texts, {len(problems)} problems")
    sys.exit(bool(problems))


main()
