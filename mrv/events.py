"""Decisions about counters <-> the `meter` leaves that show them, so that a person can follow what a program decided.

The leaf repeats what follows from the readings; a judge derives it again and compares. Nothing is taken from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from mrv import number
from mrv.leaf import MeterEvent
from mrv.limits import DECIMALS, NANO
from mrv.reading import ClockState
from mrv.settle import Decided

DECISION = "decision"
#: What the agent found about a meter's identity: the first look under a config or the same again; another one.
IDENTITY, CHANGED = "identity", "changed"
#: A person at the site lets a meter count again, where that is his to say.
ACCEPTED = "accepted"
#: Registers and power of a day do not agree.
CROSSCHECK = "crosscheck"


@dataclass(frozen=True, slots=True)
class When:
    """The stamp of a leaf that is about to be written."""

    boot: int
    boottime: int
    ts: int
    clock: ClockState


def decision(found: Decided, when: When) -> MeterEvent:
    """The leaf of a decision, stamped with when it was written."""
    return MeterEvent(
        boot=when.boot,
        boottime=when.boottime,
        ts=when.ts,
        clock=when.clock,
        meter=found.meter,
        config=found.config,
        event=DECISION,
        details=dict(_details(found)),
    )


def says(event: MeterEvent, found: Decided) -> bool:
    """Whether `event` is the leaf of `found`, whenever it was written."""
    return event == decision(found, When(event.boot, event.boottime, event.ts, event.clock))


def _details(found: Decided) -> Iterator[tuple[str, str]]:
    made = found.decision
    yield "verdict", made.verdict
    if made.why:
        yield "why", made.why
    yield "from", str(made.before.slot)
    yield "to", str(made.after.slot)
    yield "reads", str(made.reads)
    for name, mark in (("before", made.before), ("after", made.after)):
        for obis, text in sorted(mark.registers.items()):
            yield f"{name}.{obis}", text
        if mark.ratio is not None:
            yield f"{name}.ratio", str(mark.ratio)
    for obis, modulus in sorted(made.wrapped.items()):
        yield f"modulus.{obis}", number.spell(number.rounded(Fraction(modulus, NANO), DECIMALS), DECIMALS)
