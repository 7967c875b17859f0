"""Whether a meter is wired the way its numbers assume: reversed CTs, swapped phases, PT and 3P3W mistakes.

Pure: values in, findings out. The display shows the same wrong numbers as the registers, so these checks are the only
ones that see a wrong installation without a clamp meter. What one set of numbers cannot tell apart is called suspect
and the wirings that would explain it are listed; a person decides, with the phasors before him.

    reversed CT     one phase power against the others, or |sum P| / sum |P| < 0.95
    swapped phases  power factors near 0.5, or sum P near 0 with current: explained by moving each current to another
                    phase and turning it, until all three phases have nearly one and the same angle
    PT, 3P3W        V_LL / V_LN = 1.73 +- 2 %, and P = sum V I PF +- 2 %
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.plausible import CURRENTS, LEAST_AMPERES, LINE_VOLTAGES, PHASES, POWERS, VOLTAGES, Values, voltamperes
from mrv.errors import Fault, fault
from mrv.measurand import Measurand

ROOT3 = math.sqrt(3)
#: |sum P| / sum |P| below this means that a phase runs against the others.
_TOGETHER = 0.95
#: A phase below this share of the largest apparent power is too small to accuse.
_SMALL = 0.05
#: Load phases of one machine lie within this of each other, in degrees.
_SPREAD = 20.0
#: Phases of different loads rarely lie further apart than this.
_APART = 45.0
_TOLERANCE = 0.02
#: Rows from the middle of the drawn phasors to the tip of a voltage.
_RADIUS = 7


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase with voltage and current: `angle` of the current behind its voltage, degrees, without its sign."""

    number: int
    volts: float
    amperes: float
    watts: float

    @property
    def name(self) -> str:
        return PHASES[self.number]

    @property
    def factor(self) -> float:
        return max(-1.0, min(1.0, self.watts / (self.volts * self.amperes)))

    @property
    def angle(self) -> float:
        return math.degrees(math.acos(self.factor))


@dataclass(frozen=True, slots=True)
class Wiring:
    """A way the CTs could hang: the phase whose current each channel sees, and whether the CT is turned around."""

    sees: tuple[int, int, int]
    turned: tuple[bool, bool, bool]

    @property
    def mistakes(self) -> int:
        return sum(phase != at for at, phase in enumerate(self.sees)) + sum(self.turned)

    def text(self) -> str:
        """`L1<-L2 L2<-L1`, a minus for a turned CT; only the channels that are wrong."""
        pairs = zip(PHASES, self.sees, self.turned, strict=True)
        wrong = (f"{at}<-{'-' if turn else ''}{PHASES[sees]}" for at, sees, turn in pairs if PHASES[sees] != at or turn)
        return " ".join(wrong) or "as it should be"


def findings(values: Values) -> tuple[Fault, ...]:
    """Everything the wiring can be accused of; empty when nothing is wrong or too little is known to say."""
    return (*_no_voltage(values), *_currents(values), *_ratios(values))


def judged(values: Values) -> bool:
    """Whether there was enough load and enough values for `findings` to see a wrong CT at all."""
    return len(_phases(values)) == 3


def _phases(values: Values) -> tuple[Phase, ...]:
    """The phases with voltage, current and power worth judging."""
    apparent = voltamperes(values)
    least = _SMALL * max(apparent.values(), default=0.0)
    return tuple(
        Phase(
            number,
            float(values[VOLTAGES[number]]),
            abs(float(values[CURRENTS[number]])),
            float(values[POWERS[number]]),
        )
        for number, size in apparent.items()
        if POWERS[number] in values and size > least and abs(values[CURRENTS[number]]) >= LEAST_AMPERES
    )


def _no_voltage(values: Values) -> Iterator[Fault]:
    """A phase that carries current and has no voltage: a lead or a fuse."""
    volts = {number: float(values[m]) for number, m in enumerate(VOLTAGES) if m in values}
    highest = max(volts.values(), default=0.0)
    for number, value in volts.items():
        amperes = float(values.get(CURRENTS[number], 0))
        if highest > 20 and value < 0.5 * highest and abs(amperes) >= LEAST_AMPERES:
            yield fault("tool.voltage_lead", PHASES[number], volts=f"{value:.1f}", amperes=f"{amperes:.2f}")


# -- current transformers ------------------------------------------------------------------------------------------


def _currents(values: Values) -> Iterator[Fault]:
    phases = _phases(values)
    if len(phases) < 2:
        return
    suspects = explanations(phases, _reactive(values)) if len(phases) == 3 and _shifted(phases) else ()
    if suspects:
        listed = "; ".join(wiring.text() for wiring in suspects[:4])
        yield fault("tool.suspect_phases", "", factors=_factors(phases), wirings=listed)
    elif _against_the_others(phases):
        yield from _turned(phases)
    elif all(phase.watts < 0 for phase in phases):
        yield fault("tool.all_phases_export")


def _factors(phases: tuple[Phase, ...]) -> str:
    return ", ".join(f"{phase.name} {phase.factor:+.2f}" for phase in phases)


def _against_the_others(phases: tuple[Phase, ...]) -> bool:
    together = abs(sum(phase.watts for phase in phases))
    return together < _TOGETHER * sum(abs(phase.watts) for phase in phases)


def _turned(phases: tuple[Phase, ...]) -> Iterator[Fault]:
    """The phases that run against the sum; with two against one, the sum has the larger power's direction."""
    positive = sum(phase.watts for phase in phases) >= 0
    accused = [phase for phase in phases if (phase.watts < 0) == positive]
    share = abs(sum(p.watts for p in phases)) / sum(abs(p.watts) for p in phases)
    names = ", ".join(phase.name for phase in accused)
    yield fault("tool.reversed_ct", names, share=f"{share:.2f}", factors=_factors(phases))


def _shifted(phases: tuple[Phase, ...]) -> bool:
    """Angles few healthy loads have: power factors of 0.6 or less in two phases, one phase far from the others
    (turned ones turned back), or no active power from real currents."""
    low = sum(abs(phase.factor) <= 0.6 for phase in phases)
    apart = [min(phase.angle, 180 - phase.angle) for phase in phases]
    apparent = sum(phase.volts * phase.amperes for phase in phases)
    return low >= 2 or max(apart) - min(apart) > _APART or abs(sum(phase.watts for phase in phases)) < 0.1 * apparent


def _reactive(values: Values) -> float | None:
    return float(values[Measurand.REACTIVE_POWER]) if Measurand.REACTIVE_POWER in values else None


def explanations(phases: tuple[Phase, ...], reactive: float | None) -> tuple[Wiring, ...]:
    """The wirings under which all phases would have nearly one angle of a consuming load, fewest mistakes first.

    A power says the size of an angle, not its side; both are tried, and the reactive power, where known, decides.
    """
    sides = _sides(phases, reactive)
    found = [
        wiring
        for wiring in sorted(_wirings(), key=lambda wiring: wiring.mistakes)
        if any(_agree(wiring, angles) for angles in sides)
    ]
    return tuple(found)


def _wirings() -> Iterator[Wiring]:
    for sees in itertools.permutations(range(3)):
        for turned in itertools.product((False, True), repeat=3):
            yield Wiring((sees[0], sees[1], sees[2]), (turned[0], turned[1], turned[2]))


def _sides(phases: tuple[Phase, ...], reactive: float | None) -> list[tuple[float, ...]]:
    """Signed angles (current behind its voltage) that fit the powers; only those near the reactive power, if known."""
    choices = [tuple(phase.angle * side for phase, side in zip(phases, signs, strict=True)) for signs in _SIGNS]
    if reactive is None:
        return choices
    apparent = [phase.volts * phase.amperes for phase in phases]

    def miss(angles: tuple[float, ...]) -> float:
        made = sum(size * math.sin(math.radians(a)) for size, a in zip(apparent, angles, strict=True))
        return abs(abs(made) - abs(reactive))  # which side a meter calls positive differs by maker

    least = min(map(miss, choices))
    return [angles for angles in choices if miss(angles) <= least + 0.05 * sum(apparent)]


_SIGNS = tuple(itertools.product((1, -1), repeat=3))


def _agree(wiring: Wiring, angles: tuple[float, ...]) -> bool:
    """Whether undoing `wiring` leaves every current at one angle between 20 degrees ahead and 75 behind."""
    true = [
        _turn(angle + 120 * (at - sees) + (180 if turned else 0))
        for at, (angle, sees, turned) in enumerate(zip(angles, wiring.sees, wiring.turned, strict=True))
    ]
    return max(true) - min(true) <= _SPREAD and all(-20 <= angle <= 75 for angle in true)


def _turn(angle: float) -> float:
    """The angle from -180 to 180."""
    return (angle + 180) % 360 - 180


# -- voltage transformers and wiring mode --------------------------------------------------------------------------


def _ratios(values: Values) -> Iterator[Fault]:
    phase, line = _mean(values, VOLTAGES), _mean(values, LINE_VOLTAGES)
    if phase and line and phase > 20:
        yield from _line_to_phase(line / phase)
    yield from _power_of_phases(values)


def _mean(values: Values, names: tuple[Measurand, ...]) -> float:
    found = [float(values[name]) for name in names if name in values]
    return sum(found) / len(found) if len(found) == 3 and min(found) > 0.8 * max(found) else 0.0


def _line_to_phase(ratio: float) -> Iterator[Fault]:
    if abs(ratio / ROOT3 - 1) <= _TOLERANCE:
        return
    spelled = f"{ratio:.2f}"
    if abs(ratio - 1) <= _TOLERANCE:
        yield fault("tool.three_wire", ratio=spelled)
    else:
        yield fault("tool.line_phase_ratio", ratio=spelled)


def _power_of_phases(values: Values) -> Iterator[Fault]:
    """Total power against the sum of U x I x PF: root 3 off is a PT or 3P3W setting, anything else a ratio."""
    apparent = voltamperes(values)
    if len(apparent) < 3 or Measurand.ACTIVE_POWER not in values or Measurand.POWER_FACTOR not in values:
        return
    expected = sum(apparent.values()) * abs(float(values[Measurand.POWER_FACTOR]))
    power = abs(float(values[Measurand.ACTIVE_POWER]))
    if expected < 100 or not power:
        return
    ratio = power / expected
    if any(abs(ratio / root - 1) <= _TOLERANCE for root in (ROOT3, 1 / ROOT3)):
        yield fault("tool.power_root3", ratio=f"{ratio:.2f}")
    elif abs(ratio - 1) > 2.5 * _TOLERANCE:  # the power factor of unequal phases is no plain mean
        yield fault("tool.power_ratio", ratio=f"{ratio:.2f}")


# -- phasors as text -----------------------------------------------------------------------------------------------


def phasors(values: Values) -> tuple[str, ...]:
    """The phasors as lines of text: a list, and a clock face with 1 2 3 for voltages and a b c for currents.

    The side of a current's angle is unknown; it is drawn behind its voltage, as with a motor.
    """
    phases = _phases(values)
    if not phases:
        return ()
    most = max(phase.amperes for phase in phases)
    grid = [[" "] * 33 for _ in range(15)]
    grid[_RADIUS][2 * _RADIUS + 2] = "+"
    listed = []
    for phase in phases:
        at = -120.0 * phase.number
        behind = at - phase.angle
        _draw(grid, at, _RADIUS, "123"[phase.number])
        _draw(grid, behind, 2 + 3 * phase.amperes / most, "abc"[phase.number])
        listed.append(_line(phase, _turn(at), _turn(behind)))
    return (*listed, *("".join(row).rstrip() for row in grid))


def _line(phase: Phase, at: float, behind: float) -> str:
    mark, letter = "123"[phase.number], "abc"[phase.number]
    volts = f"{mark} V{phase.name} {phase.volts:8.1f} V {at:+5.0f} deg"
    return f"{volts}   {letter} I{phase.name} {phase.amperes:8.2f} A {behind:+5.0f} deg   PF {phase.factor:+.2f}"


def _draw(grid: list[list[str]], angle: float, length: float, mark: str) -> None:
    """`mark` at the tip, dots on the way; zero degrees is up, columns are half as wide as rows are high."""
    for step in range(1, int(length) + 1):
        tip = cmath.rect(step, math.radians(90 + angle))
        row, column = round(_RADIUS - tip.imag), round(2 * (_RADIUS + 1 + tip.real))
        if step == int(length):
            grid[row][column] = mark
        elif grid[row][column] == " ":
            grid[row][column] = "."
