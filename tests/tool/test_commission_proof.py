"""The two proofs: the display read by a person against the register, and the clamp against the meter."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from drivers.commission_proof import (
    Bracket,
    Installation,
    Seen,
    compare,
    counts,
    installation,
    moved,
    patience,
    shown,
)
from mrv.errors import BadInput


def number(text: str) -> Fraction:
    return Fraction(text)


def bracket(before: str, after: str | None = None, step: str = "0.01") -> Bracket:
    return Bracket(number(before), number(after or before), number(step))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("12345.6", ["12345.6"]),
        ("12345,6 kWh", ["12345.6"]),
        ("12.345,6", ["12345.6"]),
        ("12,345.6", ["12345.6"]),
        ("12 345.67 kwh", ["12345.67"]),
        ("1.234.567", ["1234567"]),
        ("12.345", ["12.345", "12345"]),
        ("12,345 MWh", ["12345", "12345000"]),
        ("5 Wh", ["0.005"]),
        ("0018343", ["18343"]),
        ("7.", ["7"]),
    ],
)
def test_numbers_as_people_write_them(text: str, values: list[str]) -> None:
    assert [one.value for one in shown(text)] == [number(value) for value in values]


def test_the_last_digit_has_a_worth() -> None:
    assert [one.step for one in shown("12345.6 MWh")] == [100]
    assert [one.step for one in shown("18343")] == [1]


@pytest.mark.parametrize("text", ["", "abc", "-5", "1e5", "1.2.3,4,5", "12,34.5,6", "NaN", "²", "12 A"])
def test_what_is_no_number_is_asked_again(text: str) -> None:
    with pytest.raises(BadInput) as error:
        shown(text)
    assert error.value.faults[0].code == "tool.not_a_display"


@pytest.mark.parametrize(
    ("text", "register", "outcome", "factor"),
    [
        ("18343.2", "18343.25", "equal", 1),
        ("18343", "18343.99", "equal", 1),
        ("18344", "18343.99", "equal", 1),
        ("18343.2", "18343.9", "different", 1),
        ("12.345", "12345.1", "equal", 1),
        ("18343.2", "18343250", "slip", Fraction(1, 1000)),
        ("18343.2", "18.343", "slip", 1000),
        ("18343.2", "1834.32", "slip", 10),
        ("18343.2", "229.29", "ratio", 80),
        ("229.29", "18343.2", "ratio", Fraction(1, 80)),
        ("18343.2", "99", "different", 1),
        ("0", "18343", "different", 1),
    ],
)
def test_a_register_against_the_display(text: str, register: str, outcome: str, factor: Fraction) -> None:
    found = compare(shown(text), bracket(register), nameplate=Fraction(80))
    assert (found.outcome, found.factor) == (outcome, factor)


def test_a_register_that_moves_while_the_technician_types() -> None:
    assert compare(shown("18345.1"), bracket("18343.0", "18347.9")).outcome == "equal"


def test_the_second_comparison_needs_twenty_counts_and_the_same_growth() -> None:
    first = compare(shown("18343.2"), bracket("18343.25"))
    assert counts(first, bracket("18345.20")) == Fraction("19.5")
    assert not moved(first, compare(shown("18345.1"), bracket("18345.20")))
    assert moved(first, compare(shown("18345.3"), bracket("18345.35")))
    assert not moved(first, compare(shown("18343.2"), bracket("18345.35")))
    constant = compare(shown("18343.2"), bracket("18343.25"))
    assert not moved(first, constant), "a register that stands still proves nothing more"


def test_a_wrong_scale_that_agreed_once_is_found_the_second_time() -> None:
    """An empty counter agrees with any scale."""
    first = compare(shown("0.0"), bracket("0.00"))
    assert first.outcome == "equal"
    assert compare(shown("2.5"), bracket("2500")).outcome == "slip"


def test_a_display_of_primary_values_before_a_register_of_secondary_ones() -> None:
    """The ratio is applied to differences later: 80 times the register is what the display must show."""
    first = compare(shown("18343.2"), bracket("229.29"), applied=Fraction(80))
    assert (first.outcome, first.factor) == ("equal", 80)
    assert counts(first, bracket("229.54")) == 25, "20 kWh on the display, in steps of 0.8 kWh of the register"
    assert moved(first, compare(shown("18363.2"), bracket("229.54"), applied=Fraction(80)))
    assert not moved(first, compare(shown("18343.9"), bracket("229.30"), applied=Fraction(80)))
    plain = compare(shown("229.29"), bracket("229.29"), applied=Fraction(80))
    assert (plain.outcome, plain.factor) == ("equal", 1)


def test_how_long_twenty_counts_take() -> None:
    first = compare(shown("18343.2"), bracket("18343.25"))
    assert patience(first, Decimal(72_000)) == 100, "2 kWh at 72 kW"
    assert patience(first, Decimal(0)) is None
    assert patience(first, None) is None


CLAMPS = {0: number("100"), 1: number("98"), 2: number("101")}
SEEN = Seen(
    {0: (number("99"), number("101")), 1: (number("96"), number("97")), 2: (number("101"), number("101"))},
    number("62000"),
)


def reasons(told: Installation, seen: Seen = SEEN) -> list[str]:
    return [f"{found.code.removeprefix('tool.')} {found.where}".strip() for found in installation(told, seen)]


def test_a_proved_installation() -> None:
    assert reasons(Installation(CLAMPS, "400/5", "import")) == []
    assert reasons(Installation(CLAMPS, "direct", "import")) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            Installation({}, "", None),
            ["clamp_missing L1", "clamp_missing L2", "clamp_missing L3", "nameplate_missing", "direction_unknown"],
        ),
        (Installation(CLAMPS | {1: number("98") * 2}, "400/5", "import"), ["clamp_differs L2"]),
        (Installation({0: number("100"), 1: number("98")}, "400/5", "import"), ["clamp_missing L3"]),
        (Installation(CLAMPS, "1500/5", "import"), ["load_too_small"]),
        (Installation(CLAMPS, "400/5", "export"), ["direction_differs"]),
        (Installation(CLAMPS, "400/5", None), ["direction_unknown"]),
    ],
)
def test_what_is_missing_leaves_it_provisional(told: Installation, expected: list[str]) -> None:
    assert reasons(told) == expected


def test_five_percent_and_no_more() -> None:
    seen = Seen({0: (number("100"), number("100"))}, number("1"))
    assert reasons(Installation({0: number("105")}, "400/5", "import"), seen) == []
    assert reasons(Installation({0: number("105.3")}, "400/5", "import"), seen) == ["clamp_differs L1"]
    assert reasons(Installation({0: number("0")}, "direct", "import"), seen) == ["clamp_differs L1", "load_too_small"]


def test_a_direct_meter_needs_an_ampere() -> None:
    seen = Seen({0: (number("0.5"), number("0.5"))}, number("100"))
    assert reasons(Installation({0: number("0.5")}, "direct", "import"), seen) == ["load_too_small"]


def test_without_power_no_direction_is_seen() -> None:
    assert reasons(Installation(CLAMPS, "400/5", "import"), Seen(SEEN.amperes, None)) == ["direction_not_seen"]
