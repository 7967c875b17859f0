"""Register words <-> exact numbers; the only module of the project in which a float exists.

A float32 or float64 is taken as the exact binary fraction it stands for and rounded once, half to even, to the
profile's decimals; integers are scaled exactly. The office and the auditor decode the words of a reading with this
very module, so it must not depend on a bus, a locale, a decimal context or the order in which words arrive. What a
meter marks as "no value" is absent with a reason, never a number.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from mrv.binding import Settings
from mrv.errors import BadInput, fault
from mrv.measurand import Measurand
from mrv.number import rounded, spell
from mrv.profile import MEASURANDS, WORDS, Order, Profile, ScaleRegister, Table, Value

#: Register content by table and wire address.
Words = Mapping[tuple[Table, int], int]

#: Why a value is absent. Texts: `meter.absent_<reason>`.
MISSING = "missing"  # its words are not there
SENTINEL = "sentinel"  # the meter's own mark for "no value"
NAN = "nan"
INFINITE = "infinite"
SCALE = "scale"  # its scale register is not available, or no possible power of ten
GUARD = "guard"  # another model stands at this address

#: SunSpec Device Information Model Specification, sunssf: a signed power of ten from -10 to 10.
_POWERS = range(-10, 11)
_COUNTERS = frozenset(name for name, measurand in MEASURANDS.items() if measurand.cumulative)
_LETTERS: dict[str, Table] = {"h": "h", "i": "i"}
_HEX = re.compile(r"([0-9a-f]{4})*")
_FLOATS = {"float32": ">f", "float64": ">d"}
_SIGNED = {"int16", "int32", "int64", "sunssf"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the words say: numbers in the measurand's unit at the profile's decimals, and why others are absent."""

    values: dict[Measurand, Decimal] = field(default_factory=dict)
    absent: dict[Measurand, str] = field(default_factory=dict)


class _Absent(Exception):
    """There is no number in these words; `str()` is the reason."""


def decode(profile: Profile, settings: Settings, words: Words, *, counters: bool = False) -> Decoded:
    """Decode every value of `profile` whose words are given; those of `profile.read` are absent without them.

    With `counters` only cumulative values: all that a judge compares. Never raises: a wrong or missing word makes
    values absent. A word that is not what `profile.guards` demands makes all of them so.
    """
    decoded = Decoded()
    if not _guards_hold(profile, settings, words):
        decoded.absent.update({MEASURANDS[name]: GUARD for name in profile.read})
        return decoded
    base, read = settings.base or 0, frozenset(profile.read)
    for name, value in profile.values.items():
        if counters and name not in _COUNTERS:
            continue
        if name not in read and (profile.table_of(value), base + value.at) not in words:
            continue
        try:
            decoded.values[MEASURANDS[name]] = _scaled(profile, settings, value, words)
        except _Absent as absent:
            if name in read or str(absent) != MISSING:
                decoded.absent[MEASURANDS[name]] = str(absent)
    return decoded


def registers(profile: Profile, decoded: Decoded) -> dict[str, str]:
    """The cumulative values by OBIS code, spelled with the profile's decimals: `Reading.registers`."""
    return {
        measurand.obis: spell(value, profile.values[measurand.name.lower()].decimals)
        for measurand, value in decoded.values.items()
        if measurand.cumulative
    }


def addresses(profile: Profile, settings: Settings, names: tuple[str, ...]) -> Iterator[tuple[Table, int]]:
    """The wire addresses of all words the values `names` and the guards are made of."""
    base = settings.base or 0
    for span in (*profile.guard_spans(), *(span for name in names for span in profile.spans(name))):
        for address in range(base + span.at, base + span.end):
            yield span.table, address


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


def _run(table: Table, first: int, text: str, key: str) -> dict[tuple[Table, int], int]:
    if not _HEX.fullmatch(text):
        raise _malformed(key)
    data = bytes.fromhex(text)
    if len(data) % 2 or first + len(data) // 2 > 65536:
        raise _malformed(key)
    return {(table, first + i): word for i, (word,) in enumerate(struct.iter_unpack(">H", data))}


def _malformed(key: str) -> BadInput:
    return BadInput(fault("meter.raw_malformed", key=key))


def _guards_hold(profile: Profile, settings: Settings, words: Words) -> bool:
    base = settings.base or 0
    held = (
        f"0x{words.get((span.table, base + span.at), 0):04X}" in guard.equals
        for guard, span in zip(profile.guards, profile.guard_spans(), strict=True)
    )
    return all(held)


_fraction = lru_cache(maxsize=64)(Fraction)
_ONE = Decimal(1)


def _scaled(profile: Profile, settings: Settings, value: Value, words: Words) -> Decimal:
    number = _number(profile, settings, value, words, value.sentinels)
    if value.scale != _ONE:
        number *= _fraction(value.scale)
    if value.scale_register:
        number *= _power(profile, settings, value, value.scale_register, words)
    return rounded(number, value.decimals)


def _power(profile: Profile, settings: Settings, value: Value, register: ScaleRegister, words: Words) -> Fraction:
    like = Value(at=register.at, type=register.type, decimals=0, table=value.table)
    try:
        power = _number(profile, settings, like, words, ())
    except _Absent as absent:
        raise _Absent(MISSING if str(absent) == MISSING else SCALE) from None
    if power not in _POWERS:
        raise _Absent(SCALE)
    return Fraction(10) ** int(power)


def _number(profile: Profile, settings: Settings, value: Value, words: Words, sentinels: tuple[str, ...]) -> Fraction:
    """The number in the registers of `value`, unscaled. Raises _Absent."""
    first = (settings.base or 0) + value.at
    table = profile.table_of(value)
    try:
        found = [words[table, at] for at in range(first, first + WORDS[value.type])]
    except KeyError:
        raise _Absent(MISSING) from None
    word_order = value.word_order or settings.word_order or profile.word_order
    data = ordered(found, value.byte_order or profile.byte_order, word_order)
    marks = profile.sentinels.get(value.type, ())
    if (marks or sentinels) and "0x" + data.hex().upper() in (*marks, *sentinels):
        raise _Absent(SENTINEL)
    return _interpreted(data, value.type)


def ordered(words: list[int], byte_order: Order, word_order: Order) -> bytes:
    """Words as they came -> bytes with the most significant first: the four orders ABCD, CDAB, BADC, DCBA."""
    sequence = words if word_order == "big" else words[::-1]
    return struct.pack(f"{'>' if byte_order == 'big' else '<'}{len(words)}H", *sequence)


def _interpreted(data: bytes, kind: str) -> Fraction:
    if kind not in _FLOATS:
        return Fraction(int.from_bytes(data, "big", signed=kind in _SIGNED))
    (number,) = struct.unpack(_FLOATS[kind], data)
    if math.isnan(number):
        raise _Absent(NAN)
    if math.isinf(number):
        raise _Absent(INFINITE)
    return Fraction(number)
