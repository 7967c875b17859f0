"""One number in register words: where it stands, in which order, what it means and what means no value.

The only module of the project in which a float exists: one is taken as the exact binary fraction it stands for. It
must not depend on a bus, a locale, a decimal context or the order in which words arrive.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

from mrv.profile import TABLES, WORDS, Factor, Order, Profile, Value
from mrv.words import Packed, Place, ordered

#: Why a value is absent. Texts: `meter.absent_<reason>`.
MISSING = "missing"  # its words are not there
SENTINEL = "sentinel"  # the meter's own mark for "no value"
NAN = "nan"
INFINITE = "infinite"
SCALE = "scale"  # its scale register is not available, or no possible factor
GUARD = "guard"  # another model stands at this address
FACTOR = "factor"  # a setting that scales it is not available, 0, or outside what the profile knows
RATIO = "ratio"  # the transformer ratio that belongs to it cannot be told
RANGE = "range"  # more than the register can mean: a torn or garbled group of digits
SIGN = "sign"  # its sign register holds neither sign
REASONS = (MISSING, SENTINEL, NAN, INFINITE, SCALE, GUARD, FACTOR, RATIO, RANGE, SIGN)

_FLOATS = {"float32": ">f", "float64": ">d"}
_SIGNED = {"int16", "int32", "int64", "sunssf"}
_ISKRA = {"iskra_t5", "iskra_t6", "iskra_t7"}


class Absent(Exception):
    """There is no number in these words; `str()` is the reason."""


@dataclass(frozen=True, slots=True)
class Number:
    """Where a number stands and how its words are read; `marks` mean no value, and so does more than `most`."""

    kind: str
    places: tuple[Place, ...]
    byte_order: Order
    word_order: Order
    marks: tuple[str, ...]
    most: int | None

    def read(self, words: Packed) -> Fraction:
        """The number in `words`, unscaled. Raises Absent."""
        return self.of(self.content(words))

    def of(self, data: bytes) -> Fraction:
        """The number that `data` are. Raises Absent."""
        if self.marks and matches(spelled(data), self.marks):
            raise Absent(SENTINEL)
        number = _interpreted(data, self.kind)
        if self.most is not None and number > self.most:
            raise Absent(RANGE)
        return number

    def content(self, words: Packed) -> bytes:
        """What stands in its registers, most significant first. Raises Absent."""
        try:
            found = words.bytes_at(self.places)
        except KeyError:
            raise Absent(MISSING) from None
        if self.byte_order == self.word_order == "big":
            return found
        return ordered(struct.unpack(f">{len(self.places)}H", found), self.byte_order, self.word_order)


def placed(
    profile: Profile,
    shift: int,
    part: Value | Factor,
    at: int,
    kind: str,
    sentinels: tuple[str, ...] = (),
    most: int | None = None,
) -> Number:
    """The number of type `kind` in registers of `part` from `at`."""
    table = TABLES[part.table or profile.table]
    places = tuple((table, place) for place in range(shift + at, shift + at + WORDS[kind]))
    marks = profile.sentinels.get(kind, ())  # type: ignore[call-overload]
    orders = part.byte_order or profile.byte_order, part.word_order or profile.word_order
    return Number(kind, places, *orders, marks + sentinels, most)


def spelled(data: bytes) -> str:
    """Words as profiles write them."""
    return "0x" + data.hex().upper()


def matches(spelled: str, patterns: tuple[str, ...]) -> bool:
    """Whether words are those of one of `patterns`, in which x is any digit."""
    return spelled in patterns or any(
        len(spelled) == len(pattern) and all(p in ("x", s) for s, p in zip(spelled[2:], pattern[2:], strict=True))
        for pattern in patterns
        if "x" in pattern[2:]
    )


def _interpreted(data: bytes, kind: str) -> Fraction:
    if kind in _ISKRA:
        return _iskra(data, kind)
    if kind not in _FLOATS:
        return Fraction(int.from_bytes(data, "big", signed=kind in _SIGNED))
    (number,) = struct.unpack(_FLOATS[kind], data)
    if math.isnan(number):
        raise Absent(NAN)
    if math.isinf(number):
        raise Absent(INFINITE)
    return Fraction(number)


def _iskra(data: bytes, kind: str) -> Fraction:
    """Iskra MC3x0 register types: T5, T6 are a signed 8-bit exponent and a mantissa; T7 two signs and four decimals."""
    if kind == "iskra_t7":
        if data[0] not in (0x00, 0xFF) or data[1] not in (0x00, 0xFF):
            raise Absent(SIGN)
        return Fraction(int.from_bytes(data[2:], "big"), 10_000) * (-1 if data[0] else 1)
    exponent = int.from_bytes(data[:1], "big", signed=True)
    if abs(exponent) > 30:
        raise Absent(RANGE)
    return int.from_bytes(data[1:], "big", signed=kind == "iskra_t6") * Fraction(10) ** exponent
