"""Numbers -> the bytes of one register type, as meters write them; the codec's mirror, written apart from it.

Most significant byte first; the order on the wire is put on afterwards (`drivers.simulator.registers`).
"""

from __future__ import annotations

import math
import struct

from mrv.profile import WORDS

_FLOATS = {"float32": ">f", "float64": ">d"}
_SIGNED = {"int16", "int32", "int64", "sunssf"}
#: Bits of the mantissa of Iskra's two measurement types.
_MANTISSA = {"iskra_t5": 24, "iskra_t6": 23}


def largest(kind: str) -> int:
    """The largest count a type holds; the one below it is used, because the largest may mean "no value"."""
    return int(2 ** (16 * WORDS[kind] - (kind in _SIGNED)) - 1)


def encoded(kind: str, number: float, *, counter: bool = False, modulus: int | None = None) -> bytes:
    """`number` as `kind`. Counters show what is complete (floor) and start again at their modulus."""
    if kind in _FLOATS:
        return struct.pack(_FLOATS[kind], number % modulus if modulus else number)
    if kind == "iskra_t7":
        signs = bytes([0xFF if number < 0 else 0x00, 0x00])
        return signs + round(abs(number) * 10_000).to_bytes(2, "big")
    if kind in _MANTISSA:
        return _with_exponent(kind, number)
    count = math.floor(round(number, 6)) if counter else round(number)
    if counter:
        count %= modulus or largest(kind) + 1
    else:  # more than a meter was built for: it shows the most it can
        count = max(-largest(kind) if kind in _SIGNED else 0, min(count, largest(kind) - 1))
    return count.to_bytes(2 * WORDS[kind], "big", signed=kind in _SIGNED)


def _with_exponent(kind: str, number: float) -> bytes:
    """Iskra T5 and T6: the finest decimal exponent from 10^-6 at which the mantissa fits."""
    limit = 2 ** _MANTISSA[kind]
    exponent = next(e for e in range(-6, 31) if abs(round(number / 10.0**e)) < limit)
    mantissa = round(number / 10.0**exponent)
    return exponent.to_bytes(1, "big", signed=True) + mantissa.to_bytes(3, "big", signed=kind == "iskra_t6")
