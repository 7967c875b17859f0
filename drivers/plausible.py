"""Whether what a meter says can be true: one mark per quantity, and how well a candidate profile fits.

Pure: values in, marks out. A mark is advice to a person, never a reason to drop a reading (the agent does not use
this module). A number that is wrong by a power of ten is told from one that is merely unusual, because the first is
a profile, a unit prefix or a CT ratio to correct and the second is a factory.

Bands: IEC 60038 standard voltages and EN 50160 (+-10 %, here +-15 %); 50 and 60 Hz +-6 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mrv.errors import Fault, fault
from mrv.measurand import Measurand

Values = Mapping[Measurand, Decimal]
Verdict = Literal["good", "odd", "wrong"]
Band = tuple[float, float]

PHASES = ("L1", "L2", "L3")
VOLTAGES = (Measurand.VOLTAGE_L1, Measurand.VOLTAGE_L2, Measurand.VOLTAGE_L3)
LINE_VOLTAGES = (Measurand.VOLTAGE_L1_L2, Measurand.VOLTAGE_L2_L3, Measurand.VOLTAGE_L3_L1)
CURRENTS = (Measurand.CURRENT_L1, Measurand.CURRENT_L2, Measurand.CURRENT_L3)
POWERS = (Measurand.ACTIVE_POWER_L1, Measurand.ACTIVE_POWER_L2, Measurand.ACTIVE_POWER_L3)

#: Phase to neutral: secondaries of PTs (100/V3, 110/V3), then 100 to 277 V systems.
_LOW: tuple[Band, ...] = ((50, 73), (95, 310))
#: Phase to phase: secondaries (100, 110 V), then 173 to 480 and 690 V systems.
_LOW_LINE: tuple[Band, ...] = ((85, 127), (165, 530), (590, 790))
#: Volts that no secondary of a PT has: to neutral, and between phases.
_MAINS, _MAINS_LINE = (165.0, 310.0), (230.0, 790.0)
#: Behind PTs the meter knows of: 6 to 35 kV between phases, 110 kV.
_MEDIUM: tuple[Band, ...] = ((2_940, 24_000), (54_000, 74_000))
_MEDIUM_LINE: tuple[Band, ...] = ((5_300, 41_000), (94_000, 127_000))
_HERTZ: tuple[Band, ...] = ((47, 53), (57, 63))
_SLIPS = (10, 100, 1000)
#: Below this share of the rest a phase has no voltage; below these amperes and voltamperes nothing is judged.
_DEAD, LEAST_AMPERES, LEAST_VA = 0.05, 0.02, 20.0
#: More than any busbar or machine of one meter: 10 kA; 100 MW; 1 TWh.
#: Points for a total that is exactly the sum of its phases.
_EXACT = 4
_MOST = {"A": 10_000, "W": 1e8, "VA": 1e8, "var": 1e8, "kWh": 1e9, "kvarh": 1e9, "kVAh": 1e9}


@dataclass(frozen=True, slots=True)
class Mark:
    """What one value looks like; `why` says it unless the verdict is good."""

    verdict: Verdict
    why: Fault | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """The same meter's values `seconds` before."""

    values: Values
    seconds: float


GOOD = Mark("good")


def marks(values: Values, earlier: Earlier | None = None) -> dict[Measurand, Mark]:
    """A mark for every value. Cross-checks (power against U x I) override a value's own mark unless it is "wrong"."""
    found = {measurand: _alone(measurand, float(value)) for measurand, value in values.items()}
    for measurand, mark in (*_voltages(values), *_powers(values), *_counters(values, earlier)):
        if found[measurand].verdict != "wrong":
            found[measurand] = mark
    return found


def score(values: Values, found: Mapping[Measurand, Mark]) -> int:
    """How much speaks for it that these numbers were decoded rightly: points, negative for what cannot be.

    A zero proves nothing either way; hertz and volts, which every meter under voltage has, weigh most. Registers read
    one word off give nearly the right floats (the high word is right, the low one its neighbour's): only a total that
    is the sum of its phases to a part in a thousand tells them apart.
    """
    points = sum(_points(measurand, values[measurand], mark.verdict) for measurand, mark in found.items())
    return points + (_EXACT if _adds_up(values) else 0)


def _adds_up(values: Values) -> bool:
    if Measurand.ACTIVE_POWER not in values or any(measurand not in values for measurand in POWERS):
        return False
    phases, total = [float(values[measurand]) for measurand in POWERS], float(values[Measurand.ACTIVE_POWER])
    size = sum(map(abs, phases))
    return size > 0 and min(abs(abs(sum(phases)) - abs(total)), abs(size - abs(total))) <= 0.001 * size


def _points(measurand: Measurand, value: Decimal, verdict: Verdict) -> int:
    if verdict == "wrong":
        return -4
    if not value:
        return 0
    weight = {"Hz": 6, "V": 3}.get(measurand.unit, 1)
    return weight if verdict == "good" else 0


def low_voltage(values: Values) -> bool:
    """Whether the meter stands on a low-voltage network for sure: its volts are none that a PT's secondary has."""
    phase = [float(values[one]) for one in VOLTAGES if one in values]
    line = [float(values[one]) for one in LINE_VOLTAGES if one in values]
    return any(_within(value, (_MAINS,)) for value in phase) or any(_within(value, (_MAINS_LINE,)) for value in line)


def slip(value: float, bands: Iterable[Band]) -> str:
    """The power of ten, as "x10" or "/10", that `value` is too large or too small by for one of `bands`, or ""."""
    for factor in _SLIPS:
        if _within(value / factor, bands):
            return f"x{factor}"
        if _within(value * factor, bands):
            return f"/{factor}"
    return ""


def _within(value: float, bands: Iterable[Band]) -> bool:
    return any(low <= value <= high for low, high in bands)


# -- each value by itself ------------------------------------------------------------------------------------------


def _alone(measurand: Measurand, value: float) -> Mark:
    if measurand in VOLTAGES:
        return _voltage(value, _LOW, _MEDIUM)
    if measurand in LINE_VOLTAGES:
        return _voltage(value, _LOW_LINE, _MEDIUM_LINE)
    if measurand is Measurand.FREQUENCY:
        return _frequency(value)
    if measurand is Measurand.POWER_FACTOR:
        return _power_factor(value)
    return _size(measurand, value)


def _voltage(value: float, low: tuple[Band, ...], medium: tuple[Band, ...]) -> Mark:
    if _within(value, low):
        return GOOD
    if abs(value) < 5:
        return _odd("tool.no_voltage") if not value or abs(value) > 1e-3 else _wrong("tool.not_a_quantity", value)
    if _within(value, medium):
        return _odd("tool.medium_voltage", value)
    if low is _LOW and _within(value, ((340, 460),)):
        return _odd("tool.line_voltage_as_phase", value)
    return _slipped(value, low[1:]) or _wrong("tool.no_such_voltage", value)


def _frequency(value: float) -> Mark:
    if _within(value, _HERTZ):
        return GOOD
    if not value:
        return _odd("tool.no_frequency")
    return _slipped(value, _HERTZ) or _wrong("tool.no_such_frequency", value)


def _power_factor(value: float) -> Mark:
    size = abs(value)
    if size <= 1.001:
        return GOOD if not size or size > 1e-4 else _wrong("tool.not_a_quantity", value)
    if size <= 2:
        return _odd("tool.four_quadrant_factor", value)
    return _wrong("tool.slip", value, slip="x100" if size <= 100 else "x1000") if size <= 1000 else _no_factor(value)


def _no_factor(value: float) -> Mark:
    return _wrong("tool.no_such_factor", value)


def _size(measurand: Measurand, value: float) -> Mark:
    """Other quantities: not larger than anything built, not smaller than anything measured, not below what exists."""
    if value and abs(value) < 1e-6:  # words in the wrong order make denormal floats of numbers
        return _wrong("tool.not_a_quantity", value)
    if abs(value) > _MOST[measurand.unit]:
        return _wrong("tool.too_large", value, unit=measurand.unit)
    if value < 0 and not measurand.signed:
        return _odd("tool.below_zero", value)
    return GOOD


def _slipped(value: float, bands: tuple[Band, ...]) -> Mark | None:
    factor = slip(value, bands)
    return _wrong("tool.slip", value, slip=factor) if factor else None


# -- values against each other -------------------------------------------------------------------------------------


def _voltages(values: Values) -> Iterator[tuple[Measurand, Mark]]:
    """Phases of one system lie within 10 % of each other. A volt on a dead phase is none; on all phases it is a kV."""
    for group, low in ((VOLTAGES, _LOW), (LINE_VOLTAGES, _LOW_LINE)):
        found = {measurand: float(values[measurand]) for measurand in group if measurand in values}
        highest = max(found.values(), default=0.0)
        for measurand, value in found.items():
            if 0 < highest < 5 and (mark := _slipped(value, low[1:])):
                yield measurand, mark
            elif _DEAD * highest < value < 0.9 * highest:
                yield measurand, _odd("tool.unequal_voltage", value, highest=f"{highest:.1f}")


def voltamperes(values: Values) -> dict[int, float]:
    """U x I of each phase (0 to 2) of which both are known."""
    return {
        phase: float(values[VOLTAGES[phase]]) * abs(float(values[CURRENTS[phase]]))
        for phase in range(3)
        if VOLTAGES[phase] in values and CURRENTS[phase] in values
    }


def _powers(values: Values) -> Iterator[tuple[Measurand, Mark]]:
    """No power exceeds U x I; a total is the sum of its phases, whether it carries the sign or not."""
    apparent = voltamperes(values)
    for phase, limit in apparent.items():
        if POWERS[phase] in values:
            yield from _against(POWERS[phase], float(values[POWERS[phase]]), limit, None)
    if Measurand.ACTIVE_POWER in values and len(apparent) == sum(measurand in values for measurand in CURRENTS):
        factor = float(values[Measurand.POWER_FACTOR]) if Measurand.POWER_FACTOR in values else None
        yield from _against(
            Measurand.ACTIVE_POWER, float(values[Measurand.ACTIVE_POWER]), sum(apparent.values()), factor
        )
    yield from _total(values)


def _against(
    measurand: Measurand, power: float, limit: float, factor: float | None
) -> Iterator[tuple[Measurand, Mark]]:
    """`power` against U x I, of which a known power factor says which share is active."""
    if limit < LEAST_VA or not power:
        return
    ratio = abs(power) / limit
    known = abs(factor) if factor and 0.2 <= abs(factor) <= 1.001 else None
    expected: Band = (known * 0.9, known * 1.1) if known else (0.2, 1.05)
    if (expected[0] if known else 0.01) <= ratio <= 1.05:
        return
    factor_of_ten = slip(ratio, (expected,))
    if factor_of_ten:
        yield measurand, _wrong("tool.power_slip", power, slip=factor_of_ten, expected=f"{limit:.0f}")
    elif ratio > 1.05:
        yield measurand, _wrong("tool.power_above_ui", power, ratio=f"{ratio:.2f}", expected=f"{limit:.0f}")


def _total(values: Values) -> Iterator[tuple[Measurand, Mark]]:
    if Measurand.ACTIVE_POWER not in values or any(measurand not in values for measurand in POWERS):
        return
    phases, total = [float(values[measurand]) for measurand in POWERS], float(values[Measurand.ACTIVE_POWER])
    size = sum(map(abs, phases))
    if size >= LEAST_VA and min(abs(abs(sum(phases)) - abs(total)), abs(size - abs(total))) > 0.03 * size:
        yield Measurand.ACTIVE_POWER, _odd("tool.total_is_not_the_sum", total, sum=f"{sum(phases):.0f}")


# -- counters ------------------------------------------------------------------------------------------------------


def _counters(values: Values, earlier: Earlier | None) -> Iterator[tuple[Measurand, Mark]]:
    """A counter never runs back, and runs as fast as the power says."""
    if earlier is None:
        return
    for measurand in (m for m in values if m.cumulative and m in earlier.values):
        grown = float(values[measurand] - earlier.values[measurand])
        if grown < 0:
            yield measurand, _wrong("tool.runs_backward", float(values[measurand]), by=f"{-grown:g}")
        elif measurand in (
            Measurand.ACTIVE_ENERGY_IMPORT,
            Measurand.ACTIVE_ENERGY_EXPORT,
            Measurand.ACTIVE_ENERGY_ABSOLUTE,
        ):
            yield from _pace(measurand, grown, values, earlier)


def _pace(measurand: Measurand, grown: float, values: Values, earlier: Earlier) -> Iterator[tuple[Measurand, Mark]]:
    if Measurand.ACTIVE_POWER not in values or Measurand.ACTIVE_POWER not in earlier.values or not grown:
        return
    power = abs(float(values[Measurand.ACTIVE_POWER]) + float(earlier.values[Measurand.ACTIVE_POWER])) / 2
    expected = power * earlier.seconds / 3_600_000
    step = 10.0 ** min(0, _exponent(values[measurand]))
    if expected <= 0 or grown < 10 * step:  # too few counts to tell a factor from a rounding
        return
    factor = slip(grown / expected, ((0.5, 2.0),))
    if factor:
        shown = f"{expected:.3g}"
        yield measurand, _wrong("tool.energy_slip", float(values[measurand]), slip=factor, expected=shown)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _odd(code: str, value: float | None = None, **more: object) -> Mark:
    return Mark("odd", _why(code, value, more))


def _wrong(code: str, value: float | None = None, **more: object) -> Mark:
    return Mark("wrong", _why(code, value, more))


def _why(code: str, value: float | None, more: Mapping[str, object]) -> Fault:
    return fault(code, "", **more) if value is None else fault(code, "", value=f"{value:g}", **more)
