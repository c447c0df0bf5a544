"""Seeded damage to bytes, as disks, downloads and other programs do it."""

import numpy as np

# What parsers stumble over: ends, signs, nothing, everything, other encodings, deep nesting.
TOKENS = (
    *(b"\x00", b"\xff" * 8, b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\xe2\x80\xa8", b"\x1a"),
    *(b"{", b"}" * 9, b"[" * 300, b'"', b"\\u0000", b"\\ud800", b"null", b"NaN", b"-1", b"1e999"),
    *(b"99999999999999999999", b"../../x", b"%s%n", b"true", b"''", b": :", b"\n\n", b"\t"),
)


def mutated(data, rng):
    """A damaged copy of bytes: one to four changes of places, lengths or values."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            return bytes(data)
        at = int(rng.integers(len(data)))
        near = min(at, int(rng.integers(256)))  # headers break more than contents
        start = near if rng.random() < 0.5 else at
        size = int(2 ** rng.uniform(0, 10))
        kind = int(rng.integers(6))
        if kind == 0:
            data[start] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[start : start + size] = rng.integers(256, size=size, dtype=np.uint8).tobytes()
        elif kind == 2:
            del data[start : start + size]
        elif kind == 3:
            data = data[: max(1, at)]
        elif kind == 4:
            token = TOKENS[int(rng.integers(len(TOKENS)))]
            data[start:start] = token
        else:
            data[start:start] = data[at : at + size]
    return bytes(data)
