#!/usr/bin/env python3
"""Fails if an include in src/ points up the house, or sideways from server to bench or report, or back.

Usage: check_floors.py SRC
"""
import pathlib
import re
import sys

FLOOR = {
    "util": 0,
    "kernels": 1, "gguf": 1, "hub": 1, "machine": 1,
    "model": 2, "quantise": 2,
    "engine": 3,
    "store": 4, "advise": 4,
    "server": 5, "bench": 5, "report": 5,
    "cli": 6,
}
# Of one floor, and never see each other. A report may look at how rows are summed up.
STRANGERS = ({"server", "bench"}, {"server", "report"})
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def main() -> int:
    src = pathlib.Path(sys.argv[1])
    wrong = []
    files = [f for f in sorted(src.rglob("*")) if f.suffix in {".h", ".cpp", ".inl", ".inc"}]
    for file in files:
        room = file.relative_to(src).parts[0]
        for include in INCLUDE.findall(file.read_text()):
            other = include.split("/")[0]
            where = f"{file.relative_to(src)} includes {include}"
            if other not in FLOOR:
                wrong.append(f"{where}: no such room; include paths start at src/")
            elif FLOOR[other] > FLOOR[room]:
                wrong.append(f"{where}: upward")
            elif other != room and {room, other} in STRANGERS:
                wrong.append(f"{where}: {room} and {other} never see each other")
    print("\n".join(wrong) or f"{len(files)} files, every include points down")
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main())
