"""Everything a meter has to say, read afresh: for `probe`, `watch` and the comparisons of `commission`.

The agent reads few values in few requests (`drivers.meter`); here everything the profile knows is asked for, and a
block the model lacks is taken apart until only what it lacks is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from drivers import blocks, plausible, wiring_checks
from drivers.blocks import Block
from drivers.bus import Bus
from drivers.errors import ExceptionReply
from drivers.plausible import Earlier, Mark
from mrv import codec
from mrv.binding import Settings
from mrv.errors import BadInput, Fault, fault
from mrv.measurand import Measurand
from mrv.messages import text
from mrv.profile import Profile, Table

#: Where the reasons of the codec have their texts.
_TEXTS = "meter"
Words = dict[tuple[Table, int], int]


@dataclass(frozen=True, slots=True)
class Taken:
    """One look at a meter: numbers in their units, why others are absent, the words, and the names it refused."""

    values: Mapping[Measurand, Decimal]
    absent: Mapping[Measurand, str]
    words: Words
    refused: tuple[str, ...] = ()

    @property
    def raw(self) -> dict[str, str]:
        return codec.pack(self.words)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was taken, with its marks and what the wiring is accused of."""

    taken: Taken
    marks: Mapping[Measurand, Mark]
    wiring: tuple[Fault, ...]
    #: Enough load and values to see a wrong CT.
    load: bool

    @property
    def suspicious(self) -> bool:
        return bool(self.wiring) or any(mark.verdict == "wrong" for mark in self.marks.values())


def judged(taken: Taken, earlier: Earlier | None = None) -> Judged:
    values = taken.values
    return Judged(taken, plausible.marks(values, earlier), wiring_checks.findings(values), wiring_checks.judged(values))


def why_absent(reason: str, tongue: str) -> str:
    """In words (mrv.codec)."""
    return text(f"{_TEXTS}.absent_{reason}", tongue)


def requests(profile: Profile, settings: Settings, names: Sequence[str]) -> tuple[Block, ...]:
    """The requests that fetch the values `names` of a meter with these settings. Raises BadInput: no request can."""
    found = blocks.plan(profile.adapted(settings), names, settings.shift)
    if any(block.first < 0 or block.end > blocks.END for block in found):  # an offset leads out of the address space
        outside = next(block for block in found if block.first < 0 or block.end > blocks.END)
        place = {"table": outside.table, "first": outside.first, "count": outside.count}
        raise BadInput(fault("meter.not_in_one_request", profile.id, **place))
    return found


async def take(bus: Bus, unit: int, profile: Profile, settings: Settings, names: Iterable[str] | None = None) -> Taken:
    """Read those of the values `names` the profile has (default: all). Raises MeterError other than a refusal."""
    asked = profile.values if names is None else dict.fromkeys(names)
    wanted = tuple(name for name in asked if name in profile.values)
    words: Words = {}
    refused: list[str] = []
    pending: list[tuple[str, ...]] = [wanted]
    while pending:
        group = pending.pop(0)
        fresh = await _together(bus, unit, profile, settings, group)
        if fresh is not None:
            words.update(fresh)
        elif len(group) == 1:
            refused += group
        else:
            pending += [group[: len(group) // 2], group[len(group) // 2 :]]
    decoded = codec.decode(profile, settings, words)
    values = {m: v for m, v in decoded.values.items() if m.name.lower() in wanted}
    absent = {m: why for m, why in decoded.absent.items() if m.name.lower() in wanted}
    return Taken(values, absent, words, tuple(refused))


async def _together(bus: Bus, unit: int, profile: Profile, settings: Settings, names: tuple[str, ...]) -> Words | None:
    """The words of all of `names`, or None when the meter refuses one of them, or no request can fetch them."""
    words: Words = {}
    try:
        for block in requests(profile, settings, names):
            found = await bus.read(unit, block.table, block.first, block.count)
            words.update({(block.table, block.first + n): word for n, word in enumerate(found)})
    except (ExceptionReply, BadInput):
        return None
    used = frozenset(codec.addresses(profile, settings, names))
    return {at: word for at, word in words.items() if at in used}
