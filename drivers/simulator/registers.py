"""What a meter shows -> its register image, by its profile: the codec's mirror, written apart from it.

One image is one instant: power and counters of a reply always belong together. A simulator that encodes by the same
profile as the decoder cannot show that the profile is right; golden captures of real meters do that.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.simulator.frames import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refusal
from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.profile import MEASURANDS, TABLES, WORDS, Profile, Table, Value

Words = dict[tuple[Table, int], int]
_FLOATS = {"float32": ">f", "float64": ">d"}
_SIGNED = {"int16", "int32", "int64", "sunssf"}
#: SunSpec's range for a power-of-ten register.
_EXPONENTS = range(-10, 11)


@dataclass(frozen=True, slots=True)
class Image:
    """The registers of one meter at one instant; what lies between two of them reads 0, as in most meters."""

    profile: Profile
    words: Words

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        """`count` words from wire address `address`. Raises Refusal for what this meter would not answer."""
        limits = self.profile.limits
        if not 1 <= count <= limits.registers:
            raise Refusal(ILLEGAL_VALUE)
        if address % limits.align or count % limits.align or not self._holds(table, address, count):
            raise Refusal(ILLEGAL_ADDRESS)
        return tuple(self.words.get((table, at), 0) for at in range(address, address + count))

    def _holds(self, table: Table, address: int, count: int) -> bool:
        held = [at for letter, at in self.words if letter == table]
        if not held or address < min(held) or address + count > max(held) + 1:
            return False
        forbidden = (span for span in self.profile.limits.forbidden if TABLES[span.table] == table)
        return not any(address <= span.last and span.first < address + count for span in forbidden)


def image(profile: Profile, settings: Settings, shown: Mapping[Measurand, float]) -> Image:
    """The registers of a meter that shows `shown`, which must name every value of the profile in its own unit."""
    exponents = _exponents(profile, shown)
    words: Words = {}
    for guard, span in zip(profile.guards, profile.guard_spans(), strict=True):
        words[span.table, _wire(settings, guard.at)] = int(guard.equals[0], 16)
    for name, value in profile.values.items():
        exponent = _exponent_of(value, exponents)
        number = shown[MEASURANDS[name]] / (float(value.scale) * 10.0**exponent)
        words.update(_placed(profile, settings, value, _bytes(value, number, cumulative=MEASURANDS[name].cumulative)))
        if value.scale_register:
            register = Value(at=value.scale_register.at, type=value.scale_register.type, decimals=0, table=value.table)
            words.update(_placed(profile, settings, register, _bytes(register, exponent, cumulative=False)))
    return Image(profile, words)


def _wire(settings: Settings, at: int) -> int:
    return (settings.base or 0) + at


def _exponents(profile: Profile, shown: Mapping[Measurand, float]) -> dict[int, int]:
    """For each scale register the smallest power of ten at which all values it scales fit; a counter wraps instead."""
    chosen: dict[int, int] = {}
    for name, value in profile.values.items():
        if value.scale_register:
            at = value.scale_register.at
            number = 0.0 if MEASURANDS[name].cumulative else shown[MEASURANDS[name]]
            chosen[at] = max(chosen.get(at, _EXPONENTS[0]), _fitting(value, number))
    return chosen


def _fitting(value: Value, number: float) -> int:
    finest = -value.decimals - round(math.log10(abs(value.scale)))
    count = abs(number) / abs(float(value.scale))
    return next(n for n in _EXPONENTS if n >= finest and count / 10.0**n <= _largest(value) - 1)


def _largest(value: Value) -> int:
    """The largest count a type holds; the one below it is used, because the largest may mean "no value"."""
    return int(2 ** (16 * WORDS[value.type] - (value.type in _SIGNED)) - 1)


def _exponent_of(value: Value, exponents: dict[int, int]) -> int:
    return exponents[value.scale_register.at] if value.scale_register else 0


def _bytes(value: Value, number: float, *, cumulative: bool) -> bytes:
    """Most significant byte first. Counters show what is complete (floor) and start again at their modulus."""
    if value.type in _FLOATS:
        return struct.pack(_FLOATS[value.type], number)
    count = math.floor(round(number, 6)) if cumulative else round(number)
    if cumulative:
        count %= value.modulus or _largest(value) + 1
    return count.to_bytes(2 * WORDS[value.type], "big", signed=value.type in _SIGNED)


def _placed(profile: Profile, settings: Settings, value: Value, data: bytes) -> Iterator[tuple[tuple[Table, int], int]]:
    pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
    if (value.word_order or settings.word_order or profile.word_order) == "little":
        pairs.reverse()
    byte_order = value.byte_order or profile.byte_order
    first = _wire(settings, value.at)
    for offset, pair in enumerate(pairs):
        yield (profile.table_of(value), first + offset), int.from_bytes(pair, byte_order)
