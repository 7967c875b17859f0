"""Register words as a leaf carries them, and the four orders in which they make a number.

Integers and bytes only; what the bytes mean is `mrv.codec`'s to say.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from itertools import pairwise

from mrv.errors import BadInput, fault
from mrv.profile_parts import Order, Table

#: Register content by table and wire address.
Words = Mapping[tuple[Table, int], int]

_HEX = re.compile(r"([0-9a-f]{4})*")
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
    words: dict[tuple[Table, int], int] = {}
    runs: list[tuple[Table, int, int]] = []
    for key, text in raw.items():
        letter, _, first = key.partition(":")
        table = _LETTERS.get(letter)
        if table is None or not first.isdecimal() or not first.isascii() or len(first) > 5:
            raise _malformed(key)
        start = int(first)
        run = _run(table, start, text, key)
        if str(start) != first or not run:
            raise _malformed(key)
        words.update(run)
        runs.append((table, start, start + len(run)))
    runs.sort()
    if any(one[0] == other[0] and other[1] <= one[2] for one, other in pairwise(runs)):
        raise _malformed(",".join(raw))  # `pack` makes one run of words that follow each other
    return words


def ordered(words: list[int], byte_order: Order, word_order: Order) -> bytes:
    """Words as they came -> bytes with the most significant first: the four orders ABCD, CDAB, BADC, DCBA."""
    sequence = words if word_order == "big" else words[::-1]
    return struct.pack(f"{'>' if byte_order == 'big' else '<'}{len(words)}H", *sequence)


def _run(table: Table, first: int, text: str, key: str) -> dict[tuple[Table, int], int]:
    if not _HEX.fullmatch(text):
        raise _malformed(key)
    data = bytes.fromhex(text)
    if len(data) % 2 or first + len(data) // 2 > 65536:
        raise _malformed(key)
    return {(table, first + i): word for i, (word,) in enumerate(struct.iter_unpack(">H", data))}


def _malformed(key: str) -> BadInput:
    return BadInput(fault("meter.raw_malformed", key=key))
