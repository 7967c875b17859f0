"""Units convert exactly, and only into what they are."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv.errors import BadInput
from mrv.methodology import units
from mrv.methodology.units import NONE, convert, spoken, times, unit

NAMES = sorted(units._ATOMS)
dimensions = st.tuples(*[st.integers(-3, 3)] * 5)


@pytest.mark.parametrize(
    ("value", "given", "wanted", "expected"),
    [
        ("1", "MWh", "kWh", Fraction(1000)),
        ("3.6", "GJ", "MWh", Fraction(1)),
        ("1", "GJ", "kWh", Fraction(2500, 9)),
        ("1", "kWh", "MJ", Fraction(36, 10)),
        ("1", "TJ", "GJ", Fraction(1000)),
        ("0.8154", "tCO2/MWh", "kgCO2/kWh", Fraction(8154, 10000)),
        ("815.4", "gCO2/kWh", "tCO2/MWh", Fraction(8154, 10000)),
        ("72.6", "kgCO2/GJ", "tCO2/MWh", Fraction(72600, 1000000) * Fraction(36, 10)),
        ("1", "tCO2e", "kgCO2", Fraction(1000)),
        ("1500", "kW*h", "MWh", Fraction(3, 2)),
        ("24", "h", "d", Fraction(1)),
        ("5", "%", "1", Fraction(1, 20)),
        ("1", "kWh/m3", "Wh/l", Fraction(1)),
        ("0.5", "kWh/t", "Wh/kg", Fraction(1, 2)),
        ("60", "W", "kWh/h", Fraction(60, 1000)),
    ],
)
def test_conversion_is_exact(value: str, given: str, wanted: str, expected: Fraction) -> None:
    assert unit(given).dimension == unit(wanted).dimension
    assert convert(Decimal(value), unit(given), unit(wanted)) == expected


@pytest.mark.parametrize(
    ("left", "right"), [("kWh", "kW"), ("tCO2", "t"), ("tCO2/MWh", "MWh/tCO2"), ("kWh/m3", "kWh/t"), ("h", "1")]
)
def test_different_things_have_different_dimensions(left: str, right: str) -> None:
    assert unit(left).dimension != unit(right).dimension


@pytest.mark.parametrize(
    "text",
    [
        "",
        *["kwh", "MWH", "mwh", "kvarh", "kVAh", "tCO2/", "/h", "tCO2/MWh/h", "kWh^2", "W**h", "µg", "kWh/(m3)", "*"],
        "1" * 65,
        "kWh\n",
        "tCO2 / MWh",
    ],
)
def test_what_is_not_a_unit_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        unit(text)
    assert [fault.code for fault in caught.value.faults] == ["plan.unit_unknown"]


@given(st.text(max_size=80))
def test_any_text_is_a_unit_or_bad_input(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert unit(text).factor > 0


@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_products_and_quotients_are_those_of_their_parts(left: str, right: str) -> None:
    product, quotient = unit(f"{left}*{right}"), unit(f"{left}/{right}")
    assert product.factor == unit(left).factor * unit(right).factor
    assert quotient.factor == unit(left).factor / unit(right).factor
    assert product.dimension == unit(f"{right}*{left}").dimension
    assert times(quotient.dimension, unit(right).dimension) == unit(left).dimension


@given(dimensions, dimensions)
def test_dimensions_form_a_group(left: units.Dimension, right: units.Dimension) -> None:
    assert times(left, NONE) == left
    assert times(left, right) == times(right, left)
    assert times(times(left, right), right, -1) == left


def test_a_dimension_can_be_said() -> None:
    assert spoken(unit("tCO2/MWh").dimension) == "co2/energy"
    assert spoken(unit("1").dimension) == "1"
    assert spoken(unit("kWh*kWh/m3").dimension) == "energy^2/volume"
    assert spoken(unit("1/h").dimension) == "1/time"
