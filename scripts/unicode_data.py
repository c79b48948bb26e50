"""Reads Debian's package `unicode-data`, for the scripts that generate tables."""
import pathlib
import re
import sys

N_CODE_POINTS = 0x110000


def folder_of_arguments():
    return pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode")


def version(folder):
    return re.search(r"Version (\d+\.\d+\.\d+)", (folder / "ReadMe.txt").read_text())[1]


def categories(folder):
    """Yields (code points, general category), a block given by its two ends at once."""
    first = None
    for line in (folder / "UnicodeData.txt").read_text().splitlines():
        code, name, category = line.split(";")[:3]
        code = int(code, 16)
        if name.endswith(", First>"):
            first = code
            continue
        yield range(code if first is None else first, code + 1), category
        first = None


def with_property(folder, file, name):
    """Yields the code points whose line in `file` has a value that matches the expression `name`."""
    for match in re.finditer(rf"^(\w+)(?:\.\.(\w+))? *; ?(?:{name})\b", (folder / file).read_text(), re.MULTILINE):
        yield from range(int(match[1], 16), int(match[2] or match[1], 16) + 1)


def runs(values, default):
    """Yields (first, last, value) of the runs of equal values other than the default."""
    start = 0
    for c in range(1, len(values) + 1):
        if c == len(values) or values[c] != values[start]:
            if values[start] != default:
                yield start, c - 1, values[start]
            start = c


def fill_lines(cells, indent=""):
    lines = []
    for cell in cells:
        if lines and len(lines[-1]) + 1 + len(cell) <= 100:
            lines[-1] += " " + cell
        else:
            lines.append(indent + cell)
    return "\n".join(lines)
