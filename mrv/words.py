"""Register words as a leaf carries them, and the four orders in which they make a number.

Integers and bytes only; what the bytes mean is `mrv.codec`'s to say.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

from mrv.errors import BadInput, fault
from mrv.profile_parts import Order, Table

#: Register content by table and wire address.
Words = Mapping[tuple[Table, int], int]

_LETTERS: dict[str, Table] = {"h": "h", "i": "i"}


def pack(words: Words) -> dict[str, str]:
    """Words as a leaf carries them: `<table>:<first address>` -> four hex digits per word, one entry per run."""
    runs: dict[str, str] = {}
    key, follows = "", None
    for table, address in sorted(words):
        if (table, address) != follows:
            key = f"{table}:{address}"
            runs[key] = ""
        runs[key] += f"{words[table, address]:04x}"
        follows = (table, address + 1)
    return runs


def unpack(raw: Mapping[str, str]) -> dict[tuple[Table, int], int]:
    """The words of `pack`. Raises BadInput for anything `pack` would have written otherwise: one spelling only."""
    places = _places(tuple((key, len(text)) for key, text in raw.items()))
    text = "".join(raw.values())
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if data.hex() != text:  # blanks and capitals are read, and would not be written
        raise _malformed(",".join(raw))
    return dict(zip(places, struct.unpack(f">{len(places)}H", data), strict=True))


def ordered(words: list[int], byte_order: Order, word_order: Order) -> bytes:
    """Words as they came -> bytes with the most significant first: the four orders ABCD, CDAB, BADC, DCBA."""
    sequence = words if word_order == "big" else words[::-1]
    return struct.pack(f"{'>' if byte_order == 'big' else '<'}{len(words)}H", *sequence)


@lru_cache(maxsize=256)
def _places(shape: tuple[tuple[str, int], ...]) -> tuple[tuple[Table, int], ...]:
    """Where the words stand in runs of these keys and lengths of text: a meter's readings are all of one shape."""
    runs = sorted(_run(key, length) for key, length in shape)
    if any(one[0] == other[0] and other[1] <= one[2] for one, other in pairwise(runs)):
        raise _malformed(",".join(key for key, _ in shape))  # `pack` makes one run of words that follow each other
    return tuple((table, at) for table, first, end in (_run(*one) for one in shape) for at in range(first, end))


def _run(key: str, length: int) -> tuple[Table, int, int]:
    letter, _, first = key.partition(":")
    table = _LETTERS.get(letter)
    if table is None or not first.isdecimal() or not first.isascii() or len(first) > 5 or str(int(first)) != first:
        raise _malformed(key)
    start, (count, rest) = int(first), divmod(length, 4)
    if rest or not count or start + count > 65536:
        raise _malformed(key)
    return table, start, start + count


def _malformed(key: str) -> BadInput:
    return BadInput(fault("meter.raw_malformed", key=key))
