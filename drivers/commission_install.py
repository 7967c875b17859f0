"""The second proof: what the meter cannot know. Clamp amperes, the CT's nameplate, a known direction, enough load.

Display and register share a wrong CT, so only these say that the number is the right one. Every question may be left
open; what is missing makes the meter provisional and is written down as the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from drivers import commission_place, plausible, probe
from drivers import commission_proof as proof
from drivers.candidate import Candidate
from drivers.commission_bench import Bench, take
from drivers.commission_proof import Direction, Installation, Seen
from drivers.probe import Taken
from mrv.errors import Fault
from mrv.measurand import Measurand


@dataclass(frozen=True, slots=True)
class Installed:
    """What the person found, what the meter said meanwhile, and why that proves nothing yet (if so)."""

    told: Installation
    reasons: tuple[Fault, ...]
    wiring: tuple[Fault, ...]


def installed(bench: Bench, candidate: Candidate) -> Installed:
    """Clamp, nameplate and direction. What does not agree is told at once and asked once more."""
    bench.dialogue.say("install_intro")
    plate = commission_place.nameplate(bench.dialogue)
    clamps: dict[int, Fraction] = {}
    seen: dict[int, tuple[Fraction, Fraction]] = {}
    for number, measurand in enumerate(plausible.CURRENTS):
        if measurand.name.lower() in candidate.profile.values:
            clamp, meter = _clamped(bench, candidate, number)
            clamps |= {} if clamp is None else {number: clamp}
            seen |= {} if meter is None else {number: meter}
    known, last = _directed(bench, candidate)
    told = Installation(clamps, plate, known)
    watts = last.values.get(Measurand.ACTIVE_POWER)
    reasons = proof.installation(told, Seen(seen, None if watts is None else Fraction(watts)))
    return Installed(told, reasons, probe.judged(last).wiring)


def _clamped(
    bench: Bench, candidate: Candidate, number: int
) -> tuple[Fraction | None, tuple[Fraction, Fraction] | None]:
    """The clamp on one phase, and the meter before and after it was read."""
    clamp = None
    for _ in range(2):
        before = _amperes(bench, candidate, plausible.CURRENTS[number])
        clamp = commission_place.amperes(bench.dialogue, number, clamp)
        after = _amperes(bench, candidate, plausible.CURRENTS[number])
        meter = None if before is None or after is None else (before, after)
        off = () if clamp is None or meter is None else proof.clamp_off(number, clamp, meter)
        if not off or bench.dialogue.scripted("clamp", f"L{number + 1}"):
            break
        bench.dialogue.warn(*off)
    return clamp, meter


def _directed(bench: Bench, candidate: Candidate) -> tuple[Direction | None, Taken]:
    """The direction a person knows, and everything the meter said then."""
    known: Direction | None = None
    for _ in range(2):
        known = commission_place.direction(bench.dialogue, known)
        last = take(bench, candidate)
        watts = last.values.get(Measurand.ACTIVE_POWER)
        off = () if watts is None or known is None else proof.direction_off(known, Fraction(watts))
        if not off or bench.dialogue.scripted("direction"):
            break
        bench.dialogue.warn(*off)
    return known, last


def _amperes(bench: Bench, candidate: Candidate, measurand: Measurand) -> Fraction | None:
    """Primary amperes: instantaneous values are decoded with the ratio."""
    found = take(bench, candidate, [measurand.name.lower()]).values.get(measurand)
    return None if found is None else abs(Fraction(found))
