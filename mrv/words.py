"""Register words as a leaf carries them, and the four orders in which they make a number.

Integers and bytes only; what the bytes mean is `mrv.codec`'s to say.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise, starmap

from mrv.errors import BadInput, fault
from mrv.profile_parts import Order, Table

#: Table and wire address of a register.
Place = tuple[Table, int]
#: Register content by place.
Words = Mapping[Place, int]

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


def unpack(raw: Mapping[str, str]) -> Packed:
    """The words of `pack`. Raises BadInput for anything `pack` would have written otherwise: one spelling only."""
    layout = _layout(tuple(zip(raw, map(len, raw.values()), strict=True)))
    text = "".join(raw.values())
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if data.hex() != text:  # blanks and capitals are read, and would not be written
        raise _malformed(",".join(raw))
    return Packed(layout, data)


class Layout:
    """Where words stand: a meter's readings are all of one layout, so it is looked at once."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self.index = {place: at for at, place in enumerate(places)}
        self._found: dict[tuple[Place, ...], int | None] = {}

    def find(self, places: tuple[Place, ...]) -> int | None:
        """From which word on `places` stand next to each other; None if they do not."""
        if places not in self._found:
            first = self.index.get(places[0])
            together = first is not None and all(self.index.get(p) == first + i for i, p in enumerate(places))
            self._found[places] = first if together else None
        return self._found[places]


class Packed(Mapping[Place, int]):
    """Words by table and wire address; `data` has two bytes of each, most significant first."""

    __slots__ = ("data", "layout")

    def __init__(self, layout: Layout, data: bytes) -> None:
        self.layout = layout
        self.data = data

    @classmethod
    def of(cls, words: Words) -> Packed:
        """`words`, however they are held."""
        if isinstance(words, cls):
            return words
        places = tuple(sorted(words))
        return cls(Layout(places), struct.pack(f">{len(places)}H", *(words[place] for place in places)))

    def bytes_at(self, places: tuple[Place, ...]) -> bytes:
        """The bytes of words that follow each other. Raises KeyError if one is not there."""
        first = self.layout.find(places)
        if first is None:
            raise KeyError(places)
        return self.data[2 * first : 2 * (first + len(places))]

    def __getitem__(self, place: Place) -> int:
        at = 2 * self.layout.index[place]
        return int.from_bytes(self.data[at : at + 2], "big")

    def __iter__(self) -> Iterator[Place]:
        return iter(self.layout.index)

    def __len__(self) -> int:
        return len(self.layout.index)


def ordered(words: Sequence[int], byte_order: Order, word_order: Order) -> bytes:
    """Words as they came -> bytes with the most significant first: the four orders ABCD, CDAB, BADC, DCBA."""
    sequence = words if word_order == "big" else words[::-1]
    return struct.pack(f"{'>' if byte_order == 'big' else '<'}{len(words)}H", *sequence)


@lru_cache(maxsize=256)
def _layout(shape: tuple[tuple[str, int], ...]) -> Layout:
    """That of runs with these keys and lengths of text."""
    runs = sorted(starmap(_run, shape))
    if any(one[0] == other[0] and other[1] <= one[2] for one, other in pairwise(runs)):
        raise _malformed(",".join(key for key, _ in shape))  # `pack` makes one run of words that follow each other
    return Layout(tuple((table, at) for table, first, end in starmap(_run, shape) for at in range(first, end)))


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
