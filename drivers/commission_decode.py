"""The first proof: each credited register against the number on the display, and again after 20 counts.

The register is read just before and just after the technician types, so a counter that runs meanwhile still fits.
Ctrl-C while waiting for 20 counts means "another day", not "throw it away".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from drivers import commission_proof as proof
from drivers.candidate import Candidate
from drivers.commission_bench import Bench, take
from drivers.commission_proof import Bracket, Comparison
from drivers.probe import Taken
from mrv import codec
from mrv.errors import Refused, fault
from mrv.measurand import MEASURANDS, Measurand

#: A look at the register more often than this gains nothing; in seconds.
LEAST_PAUSE = 2.0
#: The longest pause between looks while waiting, in seconds.
_MOST_PAUSE = 30.0


def registers(bench: Bench, candidate: Candidate, point: str) -> tuple[str, ...]:
    """The registers to compare: those the plan credits at `point`, else what the profile reads."""
    credited = bench.site.credited(point)
    missing = [name for name in credited if name not in candidate.profile.values]
    if missing:
        lacking = ", ".join(missing)
        raise Refused(fault("tool.register_not_in_profile", candidate.profile.id, registers=lacking, point=point))
    return credited or tuple(name for name in candidate.profile.read if MEASURANDS[name].cumulative)


def compared(
    bench: Bench, candidate: Candidate, names: Sequence[str], key: str = "display"
) -> dict[str, Comparison | None]:
    """Each register against the display, now; None where the display does not show it."""
    return {name: _one(bench, candidate, name, key) for name in names}


def _one(bench: Bench, candidate: Candidate, name: str, key: str) -> Comparison | None:
    """Asked again where it does not agree: most differences are slips of the pen or the wrong page of a menu."""
    measurand = MEASURANDS[name]
    params = {"obis": measurand.obis, "unit": measurand.unit}
    last: list[Comparison | None] = []

    def check(answer: str) -> Comparison | None:
        if last and not answer:
            return last[-1]
        if answer == "-":
            return None
        meant = proof.shown(answer)
        bracket = _bracket(candidate, measurand, before, take(bench, candidate, [name]))
        applied = codec.ratio(candidate.profile, candidate.settings, before.words)
        return proof.compare(meant, bracket, applied=applied)

    while True:
        before = take(bench, candidate, [name])
        found = bench.dialogue.ask(key, check, default="" if last else None, about=name, params=params)
        if found is None:
            bench.dialogue.warn(fault("tool.display_not_seen", name))
        if found is None or (last and found is last[-1]):
            return found
        _tell(bench, name, found)
        if found.outcome == "equal" or bench.dialogue.scripted(key, name):
            return found
        last.append(found)
        bench.dialogue.say("try_again")


def _bracket(candidate: Candidate, measurand: Measurand, before: Taken, after: Taken) -> Bracket:
    for taken in (before, after):
        if measurand not in taken.values:
            why = taken.absent.get(measurand, "refused")
            raise Refused(fault("tool.register_absent", measurand.name.lower(), why=why))
    value = candidate.profile.values[measurand.name.lower()]
    step = Fraction(value.resolution) if value.resolution else Fraction(1, 10**value.decimals)
    return Bracket(Fraction(before.values[measurand]), Fraction(after.values[measurand]), step)


def _tell(bench: Bench, name: str, found: Comparison) -> None:
    if found.outcome == "equal":
        bench.dialogue.say("display_equal", register=name, read=f"{float(found.scaled.after):.10g}")
        return
    code = {"slip": "tool.display_slip", "ratio": "tool.display_ratio"}.get(found.outcome, "tool.display_differs")
    shown, read = f"{float(found.shown.value):.10g}", f"{float(found.bracket.after):.10g}"
    bench.dialogue.warn(fault(code, name, shown=shown, read=read, factor=f"{float(found.factor):g}"))


def again(bench: Bench, candidate: Candidate, first: Mapping[str, Comparison]) -> dict[str, Comparison | None]:
    """The second comparison of the registers that have moved by 20 counts; waits for them as long as anybody wants."""
    ready = _wait(bench, candidate, first)
    for name in first.keys() - set(ready):
        bench.dialogue.warn(fault("tool.not_moved", name, counts=proof.COUNTS))
    return compared(bench, candidate, ready, "again") if ready else {}


def _wait(bench: Bench, candidate: Candidate, first: Mapping[str, Comparison]) -> list[str]:
    """The registers that moved. Ends when one has, when nothing flows, or by Ctrl-C."""
    try:
        while True:
            taken = take(bench, candidate, _watched(candidate, first))
            counts = {name: _counts(candidate, name, taken, first[name]) for name in first}
            ready = [name for name in first if counts[name] >= proof.COUNTS]
            left = _left(taken, first, counts)
            if ready or left is None:
                bench.quiet()
                return ready
            bench.waiting(max(counts.values()), left)
            bench.pause(max(LEAST_PAUSE, min(left, _MOST_PAUSE)))
    except KeyboardInterrupt:
        bench.quiet()
        bench.dialogue.say()
        return []


def _watched(candidate: Candidate, first: Mapping[str, Comparison]) -> list[str]:
    return [*first, "active_power"] if "active_power" in candidate.profile.values else [*first]


def patience(bench: Bench, candidate: Candidate, first: Mapping[str, Comparison]) -> float | None:
    """Seconds until the quickest of the registers has moved by 20 counts; None when nothing flows."""
    return _left(take(bench, candidate, _watched(candidate, first)), first, {})


def _counts(candidate: Candidate, name: str, taken: Taken, first: Comparison) -> float:
    measurand = MEASURANDS[name]
    return float(proof.counts(first, _bracket(candidate, measurand, taken, taken)))


def _left(taken: Taken, first: Mapping[str, Comparison], counts: Mapping[str, float]) -> float | None:
    """Seconds until the quickest register has moved by 20 counts; None when nothing flows."""
    watts = taken.values.get(Measurand.ACTIVE_POWER)
    whole = [proof.patience(one, watts) for one in first.values()]
    seconds = [one for one in whole if one is not None]
    if not seconds:
        return None if watts is not None else LEAST_PAUSE
    share = max(0.0, 1 - max(counts.values(), default=0.0) / proof.COUNTS)
    return max(1.0, min(seconds) * share)
