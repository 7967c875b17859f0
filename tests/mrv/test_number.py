"""One spelling per number, and exactness whatever the size."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv import number

DECIMALS = st.integers(0, 12)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**40), max_value=10**40)


@given(st.integers(-(10**60), 10**60), DECIMALS)
def test_what_is_spelled_is_parsed_back_and_spelled_the_same(count: int, decimals: int) -> None:
    value = number.rounded(Fraction(count, 10**decimals), decimals)
    text = number.spell(value, decimals)
    assert Fraction(number.parse(text)) == Fraction(count, 10**decimals)
    assert number.spell(number.parse(text), decimals) == text
    assert len(text.partition(".")[2]) == decimals


@given(st.from_regex(r"\A-?[0-9]{1,5}(\.[0-9]{0,4})?\Z"))
def test_no_value_has_two_spellings_of_one_scale(text: str) -> None:
    """Whatever `parse` accepts, `spell` writes with the same decimals."""
    try:
        value = number.parse(text)
    except ValueError:
        return
    assert number.spell(value, len(text.partition(".")[2])) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("0", 0, "0"),
        ("-0", 2, "0.00"),
        ("-0.000", 2, "0.00"),
        ("1E+3", 0, "1000"),
        ("1.5", 3, "1.500"),
        ("-1.5", 1, "-1.5"),
        ("123456789012345678901234567890123456789.5", 1, "123456789012345678901234567890123456789.5"),
    ],
)
def test_spelling(value: str, decimals: int, text: str) -> None:
    assert number.spell(Decimal(value), decimals) == text


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity", "1.25", "0.0000001"])
def test_what_cannot_be_spelled_with_one_decimal(value: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|written down"):
        number.spell(Decimal(value), 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "-0",
        "-0.00",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e3",
        "1E3",
        " 1",
        "1 ",
        "1\n",
        "1_000",
        "1,5",
        "NaN",
        "٣",
        "0x1",
    ],
)
def test_what_is_no_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="one spelling"):
        number.parse(text)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("1/2", 0, "0"),
        ("3/2", 0, "2"),
        ("5/2", 0, "2"),
        ("-1/2", 0, "0"),
        ("-3/2", 0, "-2"),
        ("-5/2", 0, "-2"),
        ("1/3", 6, "0.333333"),
        ("2/3", 6, "0.666667"),
        ("5/10000000", 6, "0.000000"),
        ("15/10000000", 6, "0.000002"),
        ("-5/10000000", 6, "0.000000"),
        ("10000000000000000000000000000000000000000001/2", 0, "5000000000000000000000000000000000000000000"),
    ],
)
def test_rounding_is_half_to_even_once(value: str, decimals: int, text: str) -> None:
    assert number.spell(number.rounded(Fraction(value), decimals), decimals) == text


@given(st.fractions(), DECIMALS)
def test_rounding_errs_by_half_a_unit_at_most(value: Fraction, decimals: int) -> None:
    unit = Fraction(1, 10**decimals)
    error = abs(Fraction(number.rounded(value, decimals)) - value)
    assert error <= unit / 2


@given(NUMBERS)
def test_a_register_value_with_few_digits_is_not_changed(value: Decimal) -> None:
    assert number.to_decimals(value, 6) == value


def test_a_float32_becomes_its_exact_value_at_the_meters_resolution() -> None:
    """1234.56005859375 is the float32 nearest 1234.56 (0x449a51ec)."""
    assert number.spell(number.to_decimals(Decimal("1234.56005859375"), 2), 2) == "1234.56"
    assert number.spell(number.to_decimals(Decimal("1234.56005859375"), 11), 11) == "1234.56005859375"


@given(NUMBERS, NUMBERS)
def test_differences_are_exact(after: Decimal, before: Decimal) -> None:
    spelled = number.spell(after, 6), number.spell(before, 6)
    assert Fraction(number.exact_difference(*spelled)) == Fraction(after) - Fraction(before)


def test_a_difference_keeps_the_finer_scale() -> None:
    assert str(number.exact_difference("10.5", "0.25")) == "10.25"
    assert str(number.exact_difference("10", "10.00")) == "0.00"
    with pytest.raises(ValueError, match="one spelling"):
        number.exact_difference("10", "1e1")


@pytest.mark.parametrize("text", ["0", "0.000000000000001", "123456789012345678901234567890", "1E+20", "-1.5"])
def test_numbers_a_person_may_write(text: str) -> None:
    assert number.in_bounds(Decimal(text))


@pytest.mark.parametrize(
    "text", ["1E+999999999", "1E-999999999", "1E-16", "1234567890123456789012345678901", "NaN", "Infinity"]
)
def test_numbers_nobody_means(text: str) -> None:
    assert not number.in_bounds(Decimal(text))


@given(st.fractions(), st.integers(0, 9))
def test_rounding_in_whole_numbers_is_pythons_own(value: Fraction, decimals: int) -> None:
    assert Fraction(number.rounded(value, decimals)) == Fraction(round(value * 10**decimals), 10**decimals)
