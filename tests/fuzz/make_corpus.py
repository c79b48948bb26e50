#!/usr/bin/env python3
"""Writes the seeds of the GGUF fuzzer: small files, sound and unsound, one per kind of record."""
import pathlib
import struct
import sys

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q",
           11: "<q", 12: "<d"}
# id: (elements, bytes) of a block
TYPES = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
         10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
         16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
         22: (256, 82), 23: (256, 136), 29: (256, 56), 30: (1, 2), 39: (32, 17)}


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def value(kind, v):
    return text(v) if kind == STRING else struct.pack(SCALARS[kind], v)


def entry(key, kind, v):
    if isinstance(v, list):
        body = struct.pack("<IIQ", ARRAY, kind, len(v)) + b"".join(value(kind, x) for x in v)
    else:
        body = struct.pack("<I", kind) + value(kind, v)
    return text(key) + body


def gguf(entries=(), tensors=(), version=3, alignment=32, cut=0):
    """tensors: (name, ne, type)"""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries)) + b"".join(entries)
    offset = 0
    for name, ne, kind in tensors:
        block, n_bytes = TYPES[kind]
        size = ne[0] // block * n_bytes
        for n in ne[1:]:
            size *= n
        head += text(name) + struct.pack(f"<I{len(ne)}QIQ", len(ne), *ne, kind, offset)
        offset += -(-size // alignment) * alignment
    head += bytes(-len(head) % alignment)
    data = bytes(i * 37 & 255 for i in range(offset))
    return (head + data)[:len(head) + len(data) - cut]


SEEDS = {
    "vocabulary": gguf([entry("general.architecture", STRING, "llama"),
                        entry("tokenizer.ggml.tokens", STRING, ["a", "bc", ""]),
                        entry("tokenizer.ggml.scores", F32, [0.0, -1.0, 2.0])], version=2),
    "scalars": gguf([entry(f"k{kind}", kind, 1) for kind in SCALARS]),
    "arrays": gguf([entry(f"k{kind}", kind, [0, 1]) for kind in SCALARS]),
    "alignment": gguf([entry("general.alignment", U32, 64)],
                      [("a", [3], 0), ("b", [2, 3, 2, 1], 1)], alignment=64),
    "floats": gguf((), [("x", [5], 0), ("y", [4, 2], 1), ("z", [4], 30)]),
    "blocks32": gguf((), [(f"t{t}", [32], t) for t, (n, _) in TYPES.items() if n == 32]),
    "blocks256": gguf((), [(f"t{t}", [256], t) for t, (n, _) in TYPES.items() if n == 256]),
    "split": gguf([entry("split.no", 2, 0), entry("split.count", 2, 2),
                   entry("split.tensors.count", 5, 1)], [("x", [4], 0)]),
    "synthetic": gguf([entry("weir.synthetic", BOOL, 1)]),
    "truncated": gguf((), [("x", [64, 2], 8)], cut=7),
    "version1": gguf(version=1),
    "huge_counts": b"GGUF" + struct.pack("<IQQ", 3, 1 << 63, 1 << 63),
    "huge_string": gguf([text("k") + struct.pack("<IQ", STRING, 1 << 30)]),
    "nested_array": gguf([text("k") + struct.pack("<IIQ", ARRAY, ARRAY, 1)]),
}

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(__file__).parent / "corpus" / "gguf")
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)
