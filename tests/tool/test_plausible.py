"""Marks on what a meter says: true, unusual or impossible; and the power of ten a number is off by."""

from __future__ import annotations

from decimal import Decimal

import pytest

from drivers.plausible import Earlier, marks, score, slip
from mrv.measurand import Measurand

WELL = {
    Measurand.VOLTAGE_L1: "229.8",
    Measurand.VOLTAGE_L2: "231.0",
    Measurand.VOLTAGE_L3: "230.4",
    Measurand.VOLTAGE_L1_L2: "398.9",
    Measurand.VOLTAGE_L2_L3: "399.6",
    Measurand.VOLTAGE_L3_L1: "398.6",
    Measurand.CURRENT_L1: "100.0",
    Measurand.CURRENT_L2: "98.0",
    Measurand.CURRENT_L3: "101.0",
    Measurand.ACTIVE_POWER_L1: "20682",
    Measurand.ACTIVE_POWER_L2: "20374",
    Measurand.ACTIVE_POWER_L3: "20943",
    Measurand.ACTIVE_POWER: "61999",
    Measurand.POWER_FACTOR: "0.9",
    Measurand.FREQUENCY: "49.98",
    Measurand.ACTIVE_ENERGY_IMPORT: "123456.78",
    Measurand.ACTIVE_ENERGY_EXPORT: "0.00",
}


def said(**changed: str) -> dict[Measurand, Decimal]:
    return {
        m: Decimal(text)
        for m, text in (WELL | {Measurand[name.upper()]: text for name, text in changed.items()}).items()
    }


def verdict(name: str, values: dict[Measurand, Decimal], earlier: Earlier | None = None) -> tuple[str, str, str]:
    mark = marks(values, earlier)[Measurand[name.upper()]]
    why = mark.why
    return mark.verdict, why.code if why else "", why.params.get("slip", "") if why else ""


def test_a_healthy_meter_is_good_throughout() -> None:
    assert {mark.verdict for mark in marks(said()).values()} == {"good"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("voltage_l1", "2298", ("wrong", "tool.slip", "x10")),
        ("voltage_l1", "22980", ("odd", "tool.medium_voltage", "")),
        ("voltage_l1", "22.98", ("wrong", "tool.slip", "/10")),
        ("voltage_l1", "0.2298", ("odd", "tool.no_voltage", "")),
        ("voltage_l1", "0", ("odd", "tool.no_voltage", "")),
        ("voltage_l1", "399.1", ("odd", "tool.line_voltage_as_phase", "")),
        ("voltage_l1", "12700", ("odd", "tool.medium_voltage", "")),
        ("voltage_l1", "1.2E-38", ("wrong", "tool.not_a_quantity", "")),
        ("voltage_l1", "9E+30", ("wrong", "tool.no_such_voltage", "")),
        ("voltage_l1", "197.0", ("odd", "tool.unequal_voltage", "")),
        ("frequency", "4998", ("wrong", "tool.slip", "x100")),
        ("frequency", "5.0", ("wrong", "tool.slip", "/10")),
        ("frequency", "0", ("odd", "tool.no_frequency", "")),
        ("frequency", "60.02", ("good", "", "")),
        ("frequency", "75", ("wrong", "tool.no_such_frequency", "")),
        ("power_factor", "90", ("wrong", "tool.slip", "x100")),
        ("power_factor", "900", ("wrong", "tool.slip", "x1000")),
        ("power_factor", "1.1", ("odd", "tool.four_quadrant_factor", "")),
        ("power_factor", "-1", ("good", "", "")),
        ("active_power", "62.0", ("wrong", "tool.power_slip", "/1000")),
        ("active_power", "6200", ("wrong", "tool.power_slip", "/10")),
        ("active_power", "620000", ("wrong", "tool.power_slip", "x10")),
        ("active_power", "55000", ("odd", "tool.total_is_not_the_sum", "")),
        ("active_power_l2", "20.4", ("wrong", "tool.power_slip", "/1000")),
        ("active_power_l2", "45000", ("wrong", "tool.power_above_ui", "")),
        ("current_l1", "-100", ("odd", "tool.below_zero", "")),
        ("current_l1", "40000", ("wrong", "tool.too_large", "")),
        ("active_energy_import", "3E+12", ("wrong", "tool.too_large", "")),
        ("active_energy_import", "1E-12", ("wrong", "tool.not_a_quantity", "")),
    ],
)
def test_a_wrong_number_is_named_for_what_it_is(name: str, text: str, expected: tuple[str, str, str]) -> None:
    assert verdict(name, said(**{name: text})) == expected


def test_volts_of_all_phases_in_kilovolts() -> None:
    values = said(voltage_l1="0.2298", voltage_l2="0.231", voltage_l3="0.2304")
    assert verdict("voltage_l2", values) == ("wrong", "tool.slip", "/1000")


def test_power_of_a_machine_idling_is_not_a_slip() -> None:
    values = said(active_power="1500", power_factor="0.022")
    values = {m: v for m, v in values.items() if not m.name.startswith("ACTIVE_POWER_L")}
    assert verdict("active_power", values)[0] == "good"


def test_the_total_may_be_a_sum_of_magnitudes() -> None:
    values = said(active_power_l2="-20374")
    assert verdict("active_power", values)[0] == "good", "per-phase summation: 20682 + 20374 + 20943"
    assert (
        verdict("active_power", said(active_power_l2="-20374", active_power="21251", power_factor="0.31"))[0] == "good"
    )


@pytest.mark.parametrize(
    ("grown", "expected"),
    [
        ("0.517", ("good", "", "")),
        ("517", ("wrong", "tool.energy_slip", "x1000")),
        ("5.17", ("wrong", "tool.energy_slip", "x10")),
        ("-0.01", ("wrong", "tool.runs_backward", "")),
        ("0", ("good", "", "")),
    ],
)
def test_a_counter_runs_as_fast_as_the_power_says(grown: str, expected: tuple[str, str, str]) -> None:
    """62 kW for 30 s are 0.517 kWh; 517 of them are watt-hours taken for kilowatt-hours."""
    before = said(active_energy_import="123456.780")
    after = said(active_energy_import=str(Decimal("123456.780") + Decimal(grown)))
    assert verdict("active_energy_import", after, Earlier(before, 30.0)) == expected


def test_few_counts_prove_no_slip() -> None:
    """A display of whole kWh that steps once within a second is no counter of watt-hours."""
    before, after = said(active_energy_import="100"), said(active_energy_import="101")
    assert verdict("active_energy_import", after, Earlier(before, 1.0))[0] == "good"


def test_a_right_decoding_scores_above_every_wrong_one() -> None:
    def points(values: dict[Measurand, Decimal]) -> int:
        return score(values, marks(values))

    right = points(said())
    swapped = {m: Decimal("1.2E-38") if m.unit == "V" else v for m, v in said().items()}
    assert right > points(said(frequency="4998")) > points(swapped)
    assert points({m: Decimal(0) for m in WELL}) == 0, "nothing but zeros proves nothing"
    assert points({}) == 0


def test_a_slip_is_the_smallest_that_explains() -> None:
    assert slip(5000, ((47, 53),)) == "x100"
    assert slip(50, ((47, 53),)) == ""
