"""Instants, slots, periods and eras: half-open intervals of UTC milliseconds since the epoch.

Slots of a meter are the multiples of its polling interval. Periods follow each other without a hole; their bounds lie
on the UTC grid of the period's length and at each local new year, because vintages are calendar years. An era maps
CLOCK_BOOTTIME of one boot to UTC, which is how leaves written before the clock was known find their slot. Time zones
come from the pinned `tzdata` package only, so that office, site and auditor cut the year at the same instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import tzdata

from mrv.errors import BadInput, fault
from mrv.reading import ClockState

#: The version of the time zone database in use; every config leaf names it.
TZDATA_VERSION: str = tzdata.IANA_VERSION
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Instants outside [0, LAST) are refused wherever they come from: year 9000, safely before datetime ends.
LAST = 221_845_392_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """Boottime `boottime` of boot `boot` is UTC `ts` (both ms); `state` says how far that can be believed."""

    boot: int
    boottime: int
    ts: int
    state: ClockState


@dataclass(frozen=True, slots=True)
class Span:
    """Slots [start, end) of one meter."""

    meter: str
    start: int
    end: int


@cache
def zone(name: str) -> tzinfo:
    """The IANA zone `name` from the pinned database. Raises BadInput for a name it does not hold."""
    parts = name.split("/")
    try:
        if not all(part and part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
            raise ValueError(name)
        with resources.files(tzdata).joinpath("zoneinfo", *parts).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError) as error:
        raise BadInput(fault("plan.unknown_timezone", found=name)) from error


def instant(ms: int) -> datetime:
    """The aware UTC datetime of `ms`."""
    return _EPOCH + timedelta(milliseconds=ms)


def shown(ms: int) -> str:
    """`ms` as a person reads it, whatever a leaf claims: the number itself where it is no instant."""
    return instant(ms).isoformat(timespec="seconds") if 0 <= ms < LAST else f"{ms} ms"


def in_ms(moment: datetime) -> int:
    """The UTC milliseconds of an aware datetime, truncated."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def place(era: Era, boot: int, boottime: int) -> int | None:
    """The UTC ms of a moment known by boot and boottime; None when it belongs to another boot or to no known time."""
    if boot != era.boot or era.state is ClockState.UNKNOWN:
        return None
    return era.ts + (boottime - era.boottime)


def slot_of(ms: int, every_s: int) -> int:
    """The slot a reading taken at `ms` belongs to: the last one that had begun."""
    step = every_s * 1000
    return ms // step * step


def first_slot(ms: int, every_s: int) -> int:
    """The first slot at or after `ms`."""
    step = every_s * 1000
    return -(-ms // step) * step


def count_slots(start: int, end: int, every_s: int) -> int:
    """How many slots lie in [start, end)."""
    step = every_s * 1000
    return max(0, -(-end // step) - -(-start // step))


def new_year_after(ms: int, tz: tzinfo) -> int:
    """The first local new year strictly after `ms`, as UTC ms: vintages end here."""
    year = instant(ms).astimezone(tz).year
    return in_ms(datetime(year + 1, 1, 1, tzinfo=tz))


def is_new_year(ms: int, tz: tzinfo) -> bool:
    """Whether a vintage ends exactly at `ms`."""
    return new_year_after(ms - 1, tz) == ms


def next_bound(ms: int, period_s: int, tz: tzinfo) -> int:
    """The first period bound strictly after `ms`."""
    step = period_s * 1000
    return min((ms // step + 1) * step, new_year_after(ms, tz))


def cut(start: int, end: int, period_s: int, tz: tzinfo, *, empty_until: int = 0) -> Iterator[tuple[int, int]]:
    """[start, end) in pieces that a gap leaf may cover: never across a period bound.

    Whole periods that end by `empty_until` are ones in which nobody read anything: they collapse into one summary,
    so they are one piece as well; never across a new year.
    """
    step = period_s * 1000
    while start < end:
        stop = next_bound(start, period_s, tz)
        if start % step == 0 or is_new_year(start, tz):
            stop = max(stop, min(empty_until // step * step, new_year_after(start, tz)))
        yield start, min(stop, end)
        start = stop
