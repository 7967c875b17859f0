"""The reading of a meter nearest to an instant: found by halving the log, whose leaves stand in the order of time.

A step of the clock breaks that order here and there; so the search only leads near, and what is near is looked at.
"""

from __future__ import annotations

import msgspec

from collector.archive import Archive
from mrv import leaf
from mrv.errors import BadInput
from mrv.reading import Reading

#: Leaves looked at on both sides of where the instant should be.
AROUND = 2000
#: A reading further away (ms) says nothing about a display.
LIMIT = 15 * 60_000


class _Dated(msgspec.Struct):
    ts: int | None = None


_TS = msgspec.json.Decoder(_Dated)


def nearest(archive: Archive, origin: str, meter: str, at: int) -> tuple[int, Reading] | None:
    """(index, reading) of `meter` nearest to UTC ms `at` within LIMIT."""
    low, high = 0, archive.head(origin).size
    while high - low > 1:
        middle = (low + high) // 2
        ts = _dated(archive, origin, middle, high)
        if ts is None or ts > at:
            high = middle
        else:
            low = middle
    best: tuple[int, int, Reading] | None = None
    for index, data in archive.indexed(origin, max(0, low - AROUND), low + AROUND):
        reading = _reading(data, meter)
        if reading is not None and abs(reading.ts - at) <= LIMIT:
            candidate = (abs(reading.ts - at), index, reading)
            best = candidate if best is None or candidate[:2] < best[:2] else best
    return None if best is None else (best[1], best[2])


def _dated(archive: Archive, origin: str, start: int, stop: int) -> int | None:
    """The time of the first leaf from `start` on that bears one."""
    for data in archive.leaves(origin, start, stop):
        try:
            found = _TS.decode(data).ts
        except msgspec.DecodeError:
            continue  # a kind of a later version may say it otherwise
        if found is not None:
            return found
    return None


def _reading(data: bytes, meter: str) -> Reading | None:
    if b'"k":"reading"' not in data:
        return None
    try:
        fact = leaf.decode(data)
    except BadInput:
        return None
    return fact if isinstance(fact, Reading) and fact.meter == meter else None
