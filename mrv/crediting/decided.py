"""Holds that a person decided (mrv.records.Hold), matched with what the log says: only an exact match counts.

A decision names two readings. They are the two sides of a step that the counters' rules did not believe, of a change
of instruments that no exchange explains, or of a whole usage whose meter said it was another. A decision that fits
none of these, or that calls energy what the circuit cannot have carried, changes nothing: the registers stay held, and
the result says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from mrv.crediting.sealed import Paper, Sealed
from mrv.errors import Fault, fault
from mrv.leaf import MeterEvent
from mrv.limits import HOUR, limits
from mrv.measurand import BY_OBIS
from mrv.period import in_ms as ms
from mrv.period import shown
from mrv.records import Exchange, Hold

#: Verdicts of mrv.counter after which somebody has to say what lies between.
_OPEN = frozenset({"held", "exchange", "ratio"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One decision and what of it is exact: `energy` by register, in its unit, over [start, end] (UTC ms).

    `usage` is the digest of the usage that contains the step, empty where it lies between two meters. `counted`: the
    step is part of what that usage says was used. Holds that began in `reach` are what it decides.
    """

    record: Hold
    digest: str
    start: int
    end: int
    energy: Mapping[str, Fraction]
    usage: str
    counted: bool
    reach: tuple[int, int]

    def amount(self, register: str) -> Fraction:
        """What the decision adds to what usages say, in the unit of `register`."""
        if self.record.decision == "energy":
            return Fraction(0) if self.counted else self.energy[register]
        return -self.energy[register] if self.counted else Fraction(0)

    @property
    def span(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulings:
    """All decisions about one point. `released` are the usages (digest) whose registers count again."""

    accepted: tuple[Ruling, ...] = ()
    released: frozenset[str] = frozenset()
    findings: tuple[Fault, ...] = ()

    def of(self, usage: str, register: str) -> tuple[Ruling, ...]:
        """Those about a step inside `usage`, or, without one, between two meters."""
        return tuple(one for one in self.accepted if one.usage == usage and register in one.energy)


NONE = Rulings()


def rulings(point: str, sealed: Sequence[Sealed], papers: Sequence[Paper], rated: Fraction | None = None) -> Rulings:
    """What the papers decide about `sealed`, the usages of `point` in order of time.

    `rated` (kW) is what the plan says of the point: energy beyond it is believed, and said.
    """
    accepted: list[Ruling] = []
    findings: list[Fault] = []
    for paper in papers:
        record = paper.record
        if not isinstance(record, Hold) or record.point != point or not sealed:
            continue
        if sealed[0].usage.start > ms(record.after.at) or sealed[-1].usage.end < ms(record.before.at):
            continue  # of another report
        found = _matched(record, paper.digest, sealed, papers)
        if isinstance(found, Ruling) and any((one.start, one.end) == (found.start, found.end) for one in accepted):
            found = fault("credit.hold_twice", record.meter, record=paper.digest[:16])
        if isinstance(found, Fault):
            findings.append(found)
        else:
            accepted.append(found)
            findings += _beyond(found, rated)
    released = frozenset(_released(sealed, accepted))
    return Rulings(accepted=tuple(accepted), released=released, findings=tuple(findings))


def installs(paper: Paper, one: Sealed) -> bool:
    """Whether `paper` signs for the meter of `one` at its point: the exchange that put it there."""
    record = paper.record
    if not isinstance(record, Exchange) or record.point != one.bound.point:
        return False
    same = one.bound.serial is None or record.installed.serial == one.bound.serial
    return record.installed.meter == one.bound.meter and same


# -- one decision --------------------------------------------------------------------------------------------------


def _matched(record: Hold, digest: str, sealed: Sequence[Sealed], papers: Sequence[Paper]) -> Ruling | Fault:
    """The ruling, or why there is none."""
    span = ms(record.before.at), ms(record.after.at)
    for before, after in pairwise((None, *sealed)):
        if after is None or after.bound.meter != record.meter:
            continue
        found = _inside(record, digest, after, span) or _between(record, digest, before, after, span)
        if isinstance(found, Ruling) and not found.usage and any(installs(paper, after) for paper in papers):
            return fault("credit.hold_twice", record.meter, record=digest[:16])
        if found is not None:
            return _possible(found, sealed) if isinstance(found, Ruling) else found
    return fault("credit.hold_unmatched", record.meter, record=digest[:16], start=shown(span[0]), end=shown(span[1]))


def _inside(record: Hold, digest: str, one: Sealed, span: tuple[int, int]) -> Ruling | Fault | None:
    """A step within the usage of `one`, or the whole of it where its meter is held without a step."""
    for event in one.decisions:
        if _span(event) == span and event.details.get("verdict") in _OPEN:
            sides = side(event, "before"), side(event, "after")
            ratio = event.details.get("after.ratio")
            factor = Fraction(ratio) if ratio else one.bound.settings.factor
            return _differing(record, digest, sides) or Ruling(
                record=record,
                digest=digest,
                start=span[0],
                end=span[1],
                energy=_steps(record, factor),
                usage=one.digest,
                counted=event.details["verdict"] == "ratio",
                reach=span,
            )
    usage = one.usage
    if "held" not in usage.flags or (usage.opened, usage.closed) != span or usage.lost:
        return None
    return _differing(record, digest, (_stood(one, "opening"), _stood(one, "closing"))) or Ruling(
        record=record,
        digest=digest,
        start=span[0],
        end=span[1],
        energy={name: one.energy(name) or Fraction(0) for name in record.before.registers},
        usage=one.digest,
        counted=True,
        reach=(usage.start, usage.end),
    )


def _between(
    record: Hold, digest: str, before: Sealed | None, after: Sealed, span: tuple[int, int]
) -> Ruling | Fault | None:
    """From the last reading under one identity to the first under the next."""
    if before is None or before.identity == after.identity or (before.usage.closed, after.usage.opened) != span:
        return None
    one, other = before.bound.settings.factor, after.bound.settings.factor
    if one != other and record.decision == "energy":
        return fault("credit.hold_scales", record.meter, record=digest[:16], before=one, after=other)
    return _differing(record, digest, (_stood(before, "closing"), _stood(after, "opening"))) or Ruling(
        record=record,
        digest=digest,
        start=span[0],
        end=span[1],
        energy=_steps(record, other),
        usage="",
        counted=False,
        reach=span,
    )


def _steps(record: Hold, factor: Fraction) -> dict[str, Fraction]:
    before, after = record.before.registers, record.after.registers
    return {name: (Fraction(after[name]) - Fraction(before[name])) * factor for name in before}


def _differing(record: Hold, digest: str, sides: tuple[Mapping[str, Decimal], Mapping[str, Decimal]]) -> Fault | None:
    """Where the record says of a register something else than the log does."""
    for given, held in zip((record.before, record.after), sides, strict=True):
        for name, value in given.registers.items():
            if held.get(name) != value:
                said = {"found": value, "held": held.get(name, "-"), "at": shown(ms(given.at))}
                return fault("credit.hold_differs", record.meter, record=digest[:16], register=name, **said)
    return None


def _possible(found: Ruling, sealed: Iterable[Sealed]) -> Ruling | Fault:
    """Refuses energy that the circuit cannot have carried, by the widest circuit any approved binding states here."""
    if found.record.decision != "energy":
        return found
    mine = [one.bound for one in sealed if one.bound.meter == found.record.meter]
    widest = max(mine, key=lambda bound: limits(None, bound.settings, bound.every).power)
    power = limits(None, widest.settings, widest.every).power
    for name, energy in found.energy.items():
        most = power * (found.span + widest.every * 1000) / HOUR
        most += 2 * _coarseness(found.record, name) * widest.settings.factor
        if energy > most:
            figures = {"found": energy, "most": most}
            return fault(
                "credit.hold_impossible", found.record.meter, record=found.digest[:16], register=name, **figures
            )
    return found


def _beyond(found: Ruling, rated: Fraction | None) -> Iterator[Fault]:
    if rated is None or found.record.decision != "energy":
        return
    most = rated * found.span / HOUR
    for name, energy in found.energy.items():
        if energy > most:
            said = {"found": energy, "most": most}
            yield fault(
                "credit.hold_beyond_rating", found.record.meter, record=found.digest[:16], register=name, **said
            )


def _coarseness(record: Hold, name: str) -> Fraction:
    """The last decimal that the record gives of a register."""
    sides = (record.before.registers[name], record.after.registers[name])
    return max(Fraction(1, 10 ** max(0, -int(value.as_tuple().exponent))) for value in sides)


def _stood(one: Sealed, end: Literal["opening", "closing"]) -> dict[str, Decimal]:
    """Where every register of a usage stood at one end of it, by measurand's name."""
    used = one.usage.registers.items()
    return {BY_OBIS[obis].name.lower(): Decimal(getattr(found, end)) for obis, found in used if obis in BY_OBIS}


def _span(event: MeterEvent) -> tuple[int, int]:
    return int(event.details.get("from", "-1")), int(event.details.get("to", "-1"))


def side(event: MeterEvent, side: str) -> dict[str, Decimal]:
    """Registers by measurand's name on one side of a step."""
    known = {f"{side}.{obis}": measurand.name.lower() for obis, measurand in BY_OBIS.items()}
    return {known[key]: Decimal(text) for key, text in event.details.items() if key in known}


# -- what counts again ---------------------------------------------------------------------------------------------


def _released(sealed: Sequence[Sealed], accepted: Sequence[Ruling]) -> Iterator[str]:
    """Held usages of which every reason to hold them was decided."""
    if not accepted:
        return
    carried: dict[tuple[str, str], Mapping[str, int]] = {}
    for one in sealed:
        if "held" not in one.usage.flags:
            carried.pop(one.identity, None)
            continue
        # A hold that the site lifted within the usage is no longer listed: it is the one that stood before, or its own.
        reasons = one.usage.holds or carried.get(one.identity, {})
        carried[one.identity] = reasons
        mine = [ruling for ruling in accepted if ruling.record.meter == one.bound.meter]
        if all(_decides(mine, since) for since in reasons.values()) and (reasons or _own(mine, one)):
            yield one.digest


def _decides(mine: Iterable[Ruling], since: int) -> bool:
    return any(one.reach[0] <= since <= one.reach[1] for one in mine)


def _own(mine: Iterable[Ruling], one: Sealed) -> bool:
    return any(ruling.usage == one.digest for ruling in mine)
