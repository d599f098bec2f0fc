"""Writes the tables of instruction cases: instructions.py FILE [part of a name].

What is expected is worked out from the definitions in the PTX ISA, in exact arithmetic. The format is
described in test_cases.c, which runs the tables.
"""

import sys

import ptx_other_cases
import ptx_scalar_cases
import ptx_warp_cases

MOST_ROWS = 640  # of one instruction; a multiple of 32


class Table:
    def __init__(self, file, part):
        self.file, self.part, self.count = file, part, 0

    def op(self, name, dsts, srcs, rows, body=None, sm=80):
        """rows: (inputs, expected results); numbers are taken modulo the operand's width."""
        if self.part not in name:
            return
        assert rows, name
        if body is None:
            places = ", ".join(f"${i}" for i in range(len(dsts) + len(srcs)))
            body = f"{name} {places};"
        self.file.write(f"op {sm} {name}: {' '.join(dsts)} <- {' '.join(srcs)} : {body}\n")
        step = max(1, len(rows) // MOST_ROWS) if len(rows) > MOST_ROWS else 1
        for ins, outs in rows[::step]:
            left = " ".join(self.text(x, t) for x, t in zip(ins, srcs, strict=True))
            right = " ".join(self.text(x, t) for x, t in zip(outs, dsts, strict=True))
            self.file.write(f"{left} = {right}\n")
        self.count += 1

    @staticmethod
    def text(value, kind):
        if isinstance(value, str):
            return value
        bits = {"pred": 32}.get(kind) or int(kind[1:])
        return f"{value & (1 << bits) - 1:x}"


def main():
    path = sys.argv[1]
    with open(path, "w", encoding="ascii") as file:
        table = Table(file, sys.argv[2] if len(sys.argv) > 2 else "")
        ptx_scalar_cases.write(table)
        ptx_warp_cases.write(table)
        ptx_other_cases.write(table)
    print(f"{table.count} instructions")


if __name__ == "__main__":
    main()
