"""What was compared at a meter, by whom and when, as the record the log keeps (mrv.commissioning).

Pure. The first comparison of a register is kept with its numbers, so that the second can be made another day: a
counter of whole kWh takes hours for 20 counts. A meter is *commissioned* when every credited register was proved to be
decoded rightly; everything short of that, and an installation nobody compared with a clamp, is *provisional* and the
reasons stand in the record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from drivers.commission_proof import Bracket, Comparison, Installation, Shown, moved
from mrv.binding import Settings
from mrv.commissioning import COMMISSIONED, Record
from mrv.commissioning import spelled as settings_text
from mrv.errors import Fault
from mrv.leaf import canonical, digest
from mrv.measurand import BY_OBIS, Measurand
from mrv.number import rounded
from mrv.profile import Profile

Grade = Literal["proved", "once", "unseen", "wrong"]
_ROUNDS = ("first", "second")
_KEY = re.compile(r"register\.([0-9.]+)\.(first|second)\.at")


@dataclass(frozen=True, slots=True)
class Compared:
    """One register against the display: once, or twice with 20 counts between. `times` in UTC ms."""

    measurand: Measurand
    rounds: tuple[Comparison, ...]
    times: tuple[int, ...]

    @property
    def grade(self) -> Grade:
        if any(one.outcome != "equal" for one in self.rounds):
            return "wrong"
        if not self.rounds:
            return "unseen"
        return "proved" if len(self.rounds) > 1 and moved(*self.rounds[:2]) else "once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioned:
    """One meter with everything that was found out about it."""

    meter: str
    who: str
    profile: Profile
    settings: Settings
    model: str = ""
    serial: str = ""
    compared: tuple[Compared, ...]
    installation: Installation = field(default_factory=lambda: Installation({}))
    #: Why the installation is not proved.
    reasons: tuple[Fault, ...] = ()
    #: What the wiring is suspected of all the same.
    wiring: tuple[Fault, ...] = ()
    raw: Mapping[str, str] = field(default_factory=dict)

    @property
    def decoded(self) -> Grade:
        grades = {one.grade for one in self.compared}
        if "wrong" in grades or grades == {"proved"}:
            return "wrong" if "wrong" in grades else "proved"
        return "once" if grades & {"once", "proved"} else "unseen"

    @property
    def provisional(self) -> bool:
        return self.decoded != "proved" or bool(self.reasons)


def record(found: Commissioned, made: int) -> Record:
    """The record for the spool. `made`: UTC ms."""
    details = dict(_details(found))
    kept = {name: text for name, text in details.items() if text}
    return Record(event=COMMISSIONED, meter=found.meter, who=found.who, made=made, details=kept, raw=dict(found.raw))


def _details(found: Commissioned) -> Iterator[tuple[str, str]]:
    yield "profile", found.profile.id
    yield "profile.revision", str(found.profile.revision)
    yield "profile.digest", digest(canonical(found.profile))
    yield "settings", settings_text(found.settings)
    yield "model", found.model
    yield "serial", found.serial
    yield "decode", found.decoded
    yield "installation", "provisional" if found.reasons else "proved"
    yield "reasons", _codes(found.reasons)
    yield "wiring", _codes(found.wiring)
    yield "nameplate", found.installation.nameplate
    yield "direction", found.installation.direction or ""
    for number, amperes in sorted(found.installation.clamps.items()):
        yield f"clamp.l{number + 1}", spelled(amperes)
    for one in found.compared:
        yield from _register(one)


def _register(one: Compared) -> Iterator[tuple[str, str]]:
    head = f"register.{one.measurand.obis}"
    yield f"{head}.grade", one.grade
    for name, comparison, at in zip(_ROUNDS, one.rounds, one.times, strict=False):
        bracket = comparison.bracket
        yield f"{head}.{name}.at", str(at)
        yield f"{head}.{name}.outcome", comparison.outcome
        yield f"{head}.{name}.factor", str(comparison.factor)
        yield f"{head}.{name}.display", f"{spelled(comparison.shown.value)} / {spelled(comparison.shown.step)}"
        read = " .. ".join(dict.fromkeys((spelled(bracket.before), spelled(bracket.after))))
        yield f"{head}.{name}.read", f"{read} / {spelled(bracket.step)}"


def _codes(faults: Sequence[Fault]) -> str:
    return ", ".join(f"{found.code} {found.where}".strip() for found in faults)


def spelled(value: Fraction) -> str:
    """A decimal with at most 9 places, without trailing zeros."""
    text = f"{rounded(value, 9):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compared(kept: Record) -> tuple[Compared, ...]:
    """The first comparisons in a record, to be made a second time; those that were not equal are left out."""
    found = []
    for key in kept.details:
        match = _KEY.fullmatch(key)
        if match and match[2] == "first" and match[1] in BY_OBIS:
            comparison = _read(kept.details, f"register.{match[1]}.first")
            if comparison.outcome == "equal":
                found.append(Compared(BY_OBIS[match[1]], (comparison,), (int(kept.details[key]),)))
    return tuple(found)


def _read(details: Mapping[str, str], head: str) -> Comparison:
    value, _, step = details[f"{head}.display"].partition(" / ")
    read, _, worth = details[f"{head}.read"].partition(" / ")
    before, _, after = read.partition(" .. ")
    return Comparison(
        details[f"{head}.outcome"],  # type: ignore[arg-type]
        Shown(Fraction(value), Fraction(step)),
        Bracket(Fraction(before), Fraction(after or before), Fraction(worth)),
        Fraction(details[f"{head}.factor"]),
    )
