"""The two proofs of a commissioning, as values: that the number is decoded rightly, and that it is the right number.

Pure. *Decode*: each credited register stands against the display, and again after it has moved by 20 counts, because a
wrong scale can agree once. *Installation*: display and register share a wrong CT, so the amperes of a clamp meter, the
CT's nameplate, a known direction and enough load are compared as well; without them a meter is provisional.

A display is read by a person: `12.345,6`, `12,345.6` and `12345.6 kWh` are the same number, and where one reading of a
separator is as good as the other both are tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from mrv.errors import BadInput, Fault, fault

#: Counts a register must move by between the two comparisons.
COUNTS = 20
#: Clamp against meter, and the load it must be done at: 5 %, and 10 % of the CT's primary current.
CLAMP_TOLERANCE, LEAST_LOAD = Fraction(5, 100), Fraction(10, 100)
#: Amperes a meter without CTs must carry for its clamp comparison to mean anything.
LEAST_DIRECT = Fraction(1)
#: A meter without current transformers, where a nameplate is asked for.
DIRECT = "direct"

Outcome = Literal["equal", "slip", "ratio", "different"]
Direction = Literal["import", "export"]

_UNITS = {"": 0, "k": 0, "m": 3, "g": 6}
_DISPLAY = re.compile(r"([0-9][0-9 .,']*)\s*([kKmMgG]?)(wh|varh|vah)?", re.IGNORECASE)
_SPACES = str.maketrans("", "", " '\u00a0\u202f")
_SLIPS = tuple(Fraction(10) ** n for n in (1, 2, 3, 4, 6, -1, -2, -3, -4, -6))


@dataclass(frozen=True, slots=True)
class Shown:
    """A number on a display in the register's unit (kWh), and the worth of its last digit."""

    value: Fraction
    step: Fraction


@dataclass(frozen=True, slots=True)
class Bracket:
    """The register just before and just after the technician typed; `step` is the worth of its last digit."""

    before: Fraction
    after: Fraction
    step: Fraction

    def distance(self, value: Fraction) -> Fraction:
        """How far `value` lies outside; 0 inside."""
        low, high = min(self.before, self.after), max(self.before, self.after)
        return max(low - value, value - high, Fraction(0))

    def times(self, factor: Fraction) -> Bracket:
        return Bracket(self.before * factor, self.after * factor, self.step * factor)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One register against the display. `factor`: display over register, where a plain one makes them equal."""

    outcome: Outcome
    shown: Shown
    bracket: Bracket
    factor: Fraction = Fraction(1)

    @property
    def scaled(self) -> Bracket:
        """The register as the display would show it."""
        return self.bracket.times(self.factor)


def shown(text: str) -> tuple[Shown, ...]:
    """The numbers a person can have meant, likeliest first. Raises BadInput for what is none."""
    found = _DISPLAY.fullmatch(text.strip())
    if not found:
        raise BadInput(fault("tool.not_a_display", "", text=text[:40]))
    digits = found[1].translate(_SPACES)
    scale = Fraction(10) ** (_UNITS[found[2].lower()] if found[2] or not found[3] else -3)
    spelled = tuple(dict.fromkeys(_spellings(digits)))
    if not spelled:
        raise BadInput(fault("tool.not_a_display", "", text=text[:40]))
    return tuple(Shown(Fraction(one) * scale, _step(one) * scale) for one in spelled)


def _spellings(digits: str) -> Iterator[str]:
    """Plain numbers `digits` can stand for."""
    marks = [mark for mark in digits if mark in ".,"]
    if not marks:
        yield digits
    elif len(set(marks)) == 2:
        last = marks[-1]
        whole, _, decimals = digits.rpartition(last)
        if marks.count(last) == 1:
            yield f"{whole.replace('.', '').replace(',', '')}.{decimals}"
    elif len(marks) > 1:
        yield digits.replace(marks[0], "")
    else:
        whole, _, decimals = digits.partition(marks[0])
        yield f"{whole}.{decimals}" if decimals else whole
        if len(decimals) == 3:
            yield whole + decimals


def _step(number: str) -> Fraction:
    return Fraction(1, 10 ** len(number.partition(".")[2]))


def compare(
    candidates: Sequence[Shown], bracket: Bracket, *, applied: Fraction | None = None, nameplate: Fraction | None = None
) -> Comparison:
    """Whether one of the numbers meant can be the register's; else by what factor it is off, if by a plain one.

    `applied`: the ratio differences of this register are multiplied by later, so a display of primary values is right.
    `nameplate`: the CT's ratio where nothing applies it, a factor worth naming.
    """
    for factor in (Fraction(1), applied):
        for one in candidates if factor else ():
            if _equal(one, bracket.times(factor or Fraction(1))):
                return Comparison("equal", one, bracket, factor or Fraction(1))
    for one in candidates:
        for factor, outcome in _factors(nameplate):
            if bracket.after and one.value and _equal(one, bracket.times(factor)):
                return Comparison(outcome, one, bracket, factor)
    return Comparison("different", candidates[0], bracket)


def _factors(nameplate: Fraction | None) -> Iterator[tuple[Fraction, Outcome]]:
    if nameplate is not None and nameplate != 1:
        yield from ((nameplate, "ratio"), (1 / nameplate, "ratio"))
    yield from ((factor, "slip") for factor in _SLIPS)


def _equal(one: Shown, bracket: Bracket) -> bool:
    """A display cuts off or rounds its last digit, and so does the register."""
    return bracket.distance(one.value) <= one.step + bracket.step


def counts(first: Comparison, bracket: Bracket) -> Fraction:
    """How far the register has moved since `first`, in steps of the coarser of register and display."""
    moved_by = bracket.times(first.factor).before - first.scaled.after
    return abs(moved_by) / max(first.shown.step, first.scaled.step)


def moved(first: Comparison, second: Comparison) -> bool:
    """Whether the second comparison proves what the first could not: 20 counts on both, and the same growth."""
    step = max(first.shown.step, first.scaled.step)
    grown, read = second.shown.value - first.shown.value, second.scaled.before - first.scaled.after
    typing = second.scaled.after - second.scaled.before
    return abs(read) >= COUNTS * step and abs(grown - read) <= 2 * step + abs(typing)


@dataclass(frozen=True, slots=True)
class Installation:
    """What a person found at the meter. Amperes of the clamp by phase number; `nameplate` like "400/5" or "direct"."""

    clamps: Mapping[int, Fraction]
    nameplate: str = ""
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the meter said at that moment, in primary amperes and watts: before and after the clamp was read."""

    amperes: Mapping[int, tuple[Fraction, Fraction]]
    watts: Fraction | None


def installation(told: Installation, seen: Seen) -> tuple[Fault, ...]:
    """Why the installation is not proved; empty when it is."""
    return (*_clamped(told, seen), *_loaded(told), *_directed(told, seen))


def _clamped(told: Installation, seen: Seen) -> Iterator[Fault]:
    for number, (before, after) in sorted(seen.amperes.items()):
        name = f"L{number + 1}"
        if number not in told.clamps:
            yield fault("tool.clamp_missing", name)
            continue
        yield from clamp_off(number, told.clamps[number], (before, after))
    if not seen.amperes:
        yield fault("tool.clamp_missing", "L1 L2 L3")


def clamp_off(number: int, clamp: Fraction, meter: tuple[Fraction, Fraction]) -> tuple[Fault, ...]:
    """That the clamp and the meter (before and after it was read) do not agree within 5 %; empty when they do."""
    off = Bracket(*meter, Fraction(0)).distance(clamp)
    if off <= CLAMP_TOLERANCE * max(clamp, Fraction(1, 100)):
        return ()
    mean = (meter[0] + meter[1]) / 2
    share = f"{float(100 * (mean - clamp) / clamp):+.1f}" if clamp else "?"
    name = f"L{number + 1}"
    return (fault("tool.clamp_differs", name, clamp=_spelled(clamp), meter=_spelled(mean), percent=share),)


def primary(nameplate: str) -> Fraction | None:
    """Primary amperes of a CT: 400 of "400/5"; None for a direct meter or a nameplate nobody gave."""
    return Fraction(nameplate.partition("/")[0]) if "/" in nameplate else None


def ratio(nameplate: str) -> Fraction | None:
    """80 of "400/5"."""
    return Fraction(nameplate) if "/" in nameplate else None


def _loaded(told: Installation) -> Iterator[Fault]:
    if not told.nameplate:
        yield fault("tool.nameplate_missing")
        return
    rated = primary(told.nameplate)
    least = LEAST_LOAD * rated if rated else LEAST_DIRECT
    highest = max(told.clamps.values(), default=Fraction(0))
    if told.clamps and highest < least:
        yield fault("tool.load_too_small", "", amperes=_spelled(highest), least=_spelled(least), ct=told.nameplate)


def _directed(told: Installation, seen: Seen) -> Iterator[Fault]:
    if told.direction is None:
        yield fault("tool.direction_unknown")
    elif seen.watts is None or not seen.watts:
        yield fault("tool.direction_not_seen")
    else:
        yield from direction_off(told.direction, seen.watts)


def direction_off(told: Direction, watts: Fraction) -> tuple[Fault, ...]:
    """That power flows the other way than a person knows it does; empty when it does not."""
    if not watts or (watts > 0) == (told == "import"):
        return ()
    return (fault("tool.direction_differs", "", told=told, watts=_spelled(watts)),)


def _spelled(value: Fraction) -> str:
    return f"{float(value):.4g}"


def patience(first: Comparison, watts: Decimal | None) -> float | None:
    """Seconds until 20 counts at this (primary) power; None when nothing flows."""
    if not watts:
        return None
    kwh = COUNTS * max(first.shown.step, first.scaled.step)
    return float(kwh * 3_600_000 / abs(Fraction(watts)))
