"""Wiring mistakes, made with vectors: the meter multiplies each voltage with the current that its CT really sees."""

from __future__ import annotations

import cmath
import itertools
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wiring_checks import findings, judged, phasors
from mrv.measurand import Measurand

ROOT3 = math.sqrt(3)


def site(
    sees: tuple[int, int, int] = (0, 1, 2),
    turned: tuple[bool, bool, bool] = (False, False, False),
    *,
    lag: float = 25.0,
    amperes: tuple[float, float, float] = (100.0, 100.0, 100.0),
    volts: float = 230.0,
    reactive: bool = False,
) -> dict[Measurand, Decimal]:
    """What a meter shows of a load `lag` degrees inductive whose CTs hang as `sees` and `turned` say."""
    u = [cmath.rect(volts, math.radians(-120 * n)) for n in range(3)]
    true = [cmath.rect(amperes[n], math.radians(-120 * n - lag)) for n in range(3)]
    i = [-true[sees[n]] if turned[n] else true[sees[n]] for n in range(3)]
    s = [u[n] * i[n].conjugate() for n in range(3)]
    shown = {Measurand.ACTIVE_POWER: sum(x.real for x in s)}
    apparent = sum(abs(x) for x in s)
    shown[Measurand.POWER_FACTOR] = shown[Measurand.ACTIVE_POWER] / apparent
    if reactive:
        shown[Measurand.REACTIVE_POWER] = sum(x.imag for x in s)
    for n, x in enumerate(s, start=1):
        shown |= {
            Measurand[f"VOLTAGE_L{n}"]: volts,
            Measurand[f"CURRENT_L{n}"]: abs(i[n - 1]),
            Measurand[f"ACTIVE_POWER_L{n}"]: x.real,
        }
    shown |= dict.fromkeys((Measurand.VOLTAGE_L1_L2, Measurand.VOLTAGE_L2_L3, Measurand.VOLTAGE_L3_L1), volts * ROOT3)
    return {m: Decimal(str(round(value, 3))) for m, value in shown.items()}


def codes(values: dict[Measurand, Decimal]) -> list[str]:
    return [found.code.removeprefix("tool.") for found in findings(values)]


def test_a_right_wiring_is_accused_of_nothing() -> None:
    for lag in (0, 10, 25, 40, 50):
        assert codes(site(lag=lag)) == []
        assert judged(site(lag=lag))


def test_an_inverter_is_told_that_all_phases_export() -> None:
    assert codes(site(turned=(True, True, True))) == ["all_phases_export"]


@pytest.mark.parametrize("phase", range(3))
def test_one_reversed_ct_is_named(phase: int) -> None:
    values = site(turned=tuple(n == phase for n in range(3)))  # type: ignore[arg-type]
    (found,) = findings(values)
    assert (found.code, found.where) == ("tool.reversed_ct", f"L{phase + 1}")
    assert found.params["share"] == "0.33"


def test_two_swapped_cts_have_no_power_together() -> None:
    (found,) = findings(site(sees=(1, 0, 2), lag=5))
    assert found.code == "tool.suspect_phases"
    assert found.params["wirings"].split("; ")[0] == "L1<-L2 L2<-L1"


def test_all_three_on_the_next_phase() -> None:
    (found,) = findings(site(sees=(1, 2, 0), lag=0))
    assert found.code == "tool.suspect_phases"
    assert "L1<-L2 L2<-L3 L3<-L1" in found.params["wirings"]


def test_power_factor_alone_does_not_tell_a_bad_load_from_swapped_phases() -> None:
    (found,) = findings(site(lag=60))
    assert found.code == "tool.suspect_phases"
    assert found.params["wirings"].startswith("as it should be"), "the simplest explanation first"


@given(
    sees=st.permutations(range(3)),
    turned=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    lag=st.floats(0, 50),
    spread=st.tuples(*[st.floats(0.85, 1.0)] * 3),
)
def test_no_wrong_wiring_passes_for_a_right_one(
    sees: list[int], turned: tuple[bool, ...], lag: float, spread: tuple
) -> None:  # type: ignore[type-arg]
    """Whatever hangs wrong is accused of something, unless its powers are those of a right wiring with another load."""
    values = site(tuple(sees), turned, lag=lag, amperes=tuple(100 * part for part in spread))  # type: ignore[arg-type]
    factors = [float(values[Measurand[f"ACTIVE_POWER_L{n}"]]) / (230 * 100) for n in (1, 2, 3)]
    wrong = list(sees) != [0, 1, 2] or any(turned)
    if wrong and (min(factors) < -0.05 or max(factors) < 0.4):
        assert codes(values) != []


@given(st.permutations(range(3)), st.tuples(st.booleans(), st.booleans(), st.booleans()), st.floats(0, 50))
def test_where_reactive_power_is_known_the_true_wiring_is_among_the_explanations(
    sees: list[int], turned: tuple[bool, bool, bool], lag: float
) -> None:
    from drivers.wiring_checks import Wiring, _phases, explanations

    values = site(tuple(sees), turned, lag=lag, reactive=True)  # type: ignore[arg-type]
    if len(_phases(values)) == 3:
        found = explanations(_phases(values), float(values[Measurand.REACTIVE_POWER]))
        assert Wiring(tuple(sees), turned) in found  # type: ignore[arg-type]


def test_too_little_load_is_not_judged() -> None:
    values = site(amperes=(0.001, 0.001, 0.001), turned=(True, False, False))
    assert codes(values) == []
    assert not judged(values)


def test_a_single_phase_load_is_no_mistake() -> None:
    assert codes(site(amperes=(80.0, 0.0, 0.0))) == []


@pytest.mark.parametrize(
    ("line", "code"), [(230.0, "three_wire"), (398.4, None), (400.0, None), (690.0, "line_phase_ratio")]
)
def test_line_to_phase_voltage_is_root_three(line: float, code: str | None) -> None:
    values = site() | dict.fromkeys(
        (Measurand.VOLTAGE_L1_L2, Measurand.VOLTAGE_L2_L3, Measurand.VOLTAGE_L3_L1), Decimal(str(line))
    )
    assert codes(values) == ([code] if code else [])


@pytest.mark.parametrize(
    ("factor", "code"), [(1 / ROOT3, "power_root3"), (ROOT3, "power_root3"), (1.01, None), (0.25, "power_ratio")]
)
def test_power_is_what_the_phases_make(factor: float, code: str | None) -> None:
    values = site()
    values = {m: v for m, v in values.items() if not m.name.startswith("ACTIVE_POWER_L")}
    values[Measurand.ACTIVE_POWER] = Decimal(str(round(float(values[Measurand.ACTIVE_POWER]) * factor, 1)))
    assert codes(values) == ([code] if code else [])


def test_a_phase_without_voltage_that_carries_current() -> None:
    values = site() | {Measurand.VOLTAGE_L2: Decimal("3.1"), Measurand.ACTIVE_POWER_L2: Decimal("0")}
    assert ("tool.voltage_lead", "L2") in [(found.code, found.where) for found in findings(values)]


def test_phasors_fit_a_terminal_and_name_every_phase() -> None:
    for sees, turned in itertools.product(
        itertools.permutations(range(3)), [(False, False, False), (True, False, True)]
    ):
        lines = phasors(site(sees, turned))
        assert max(map(len, lines)) <= 80
        assert len(lines) <= 20
        assert all(letter in "\n".join(lines[3:]) for letter in "123")
    assert phasors({}) == ()
