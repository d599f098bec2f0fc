"""Brings comments of C files to 100 columns, which check_tree.py asks for: wrap.py FILE...

Words that do not fit move to the next line of their paragraph; rules of dashes are cut. Comments that
are drawn (two spaces inside of a line) and code are left to their author."""

import re
import sys

MOST = 100
COMMENT = re.compile(r"(\s*)// (?=\S)(.*)$")


def is_drawn(text):
    return "  " in text.strip()


def starts_item(text):
    return re.match(r"([-*]|\d+\.) ", text) is not None


def wrap_block(indent, texts):
    """The lines of one comment; overflow is carried on."""
    out, carried = [], ""
    for text in texts:
        if carried and (is_drawn(text) or starts_item(text)):
            out.append(carried)
            carried = ""
        text = f"{carried} {text}" if carried else text
        carried = ""
        while len(indent) + 3 + len(text) > MOST and not is_drawn(text):
            cut = text.rfind(" ", 0, MOST - len(indent) - 3 + 1)
            if cut <= 0:
                break
            text, rest = text[:cut], text[cut + 1:]
            carried = f"{rest} {carried}".strip()
        out.append(text)
        while len(indent) + 3 + len(carried) > MOST:
            cut = carried.rfind(" ", 0, MOST - len(indent) - 3 + 1)
            if cut <= 0:
                break
            out.append(carried[:cut])
            carried = carried[cut + 1:]
    if carried:
        out.append(carried)
    return [f"{indent}// {text}" for text in out]


def wrap(lines):
    out, i = [], 0
    while i < len(lines):
        if re.match(r"// -{3,}", lines[i]):
            out.append(lines[i][:MOST] if lines[i].endswith("---") else lines[i])
            i += 1
            continue
        match = COMMENT.match(lines[i])
        if not match:
            out.append(lines[i])
            i += 1
            continue
        indent, block = match[1], []
        while i < len(lines) and (m := COMMENT.match(lines[i])) and m[1] == indent:
            if re.match(r"// -{3,}", lines[i]):
                break
            block.append(m[2])
            i += 1
        too_long = any(len(indent) + 3 + len(text) > MOST for text in block)
        out += wrap_block(indent, block) if too_long else [f"{indent}// {t}" for t in block]
    return out


for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        old = file.read().split("\n")
    new = wrap(old)
    if new != old:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(new))
