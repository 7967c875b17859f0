"""What one value can be made of: terms, signs, factors, ratios, odd types. All words here were worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from mrv import codec, register
from mrv.binding import Settings
from mrv.measurand import MEASURANDS, Measurand
from mrv.profile import Factor, Profile, Ratio, ScaleRegister, Sign, Step, Term, Value

PLAIN = Settings()


def profile(values: dict[str, Value], **rest: Any) -> Profile:
    given = {"table": "holding", "read": tuple(values), **rest}
    return Profile(
        id="made", revision=1, maker="m", models=("m",), kind="meter", confidence="high", sources=("s",), values=values,
        **given,
    )  # fmt: skip


def decoded(made: Profile, words: dict[int, int], settings: Settings = PLAIN) -> dict[str, Decimal | str]:
    found = codec.decode(made, settings, {("h", at): word for at, word in words.items()})
    names = {measurand: name for name, measurand in MEASURANDS.items()}
    return {names[m]: v for m, v in found.values.items()} | {names[m]: why for m, why in found.absent.items()}


def single(value: Value, words: dict[int, int], settings: Settings = PLAIN, **rest: Any) -> Decimal | str:
    return decoded(profile({"active_energy_import": value}, **rest), words, settings)["active_energy_import"]


# -- Iskra: the examples of the MC3x0 manual's table of register types


@pytest.mark.parametrize(
    ("kind", "words", "number"),
    [
        ("iskra_t5", (0xFD01, 0xE240), "123.456"),
        ("iskra_t6", (0xFDFE, 0x1DC0), "-123.456"),
        ("iskra_t7", (0x00FF, 0x2694), "0.988"),  # 0.9876 capacitive: direction is the first byte, not the second
        ("iskra_t7", (0xFF00, 0x2694), "-0.988"),
        ("iskra_t5", (0xFFFF, 0xFFFF), "1677721.500"),  # the mantissa is unsigned
        ("iskra_t6", (0xFFFF, 0xFFFF), "-0.100"),
        ("iskra_t5", (0x0200, 0x0001), "100.000"),
    ],
)
def test_iskra_types(kind: str, words: tuple[int, int], number: str) -> None:
    value = Value(at=0, type=kind, decimals=3)  # type: ignore[arg-type]
    assert single(value, dict(enumerate(words))) == Decimal(number)


@pytest.mark.parametrize(
    ("kind", "words", "why"),
    [("iskra_t5", (0x7F00, 1), "range"), ("iskra_t6", (0x8000, 1), "range"), ("iskra_t7", (0x0100, 1), "sign")],
)
def test_iskra_words_that_are_none(kind: str, words: tuple[int, int], why: str) -> None:
    assert single(Value(at=0, type=kind, decimals=3), dict(enumerate(words))) == why  # type: ignore[arg-type]


# -- numbers of several parts

TARIFFS = Value(
    at=801, type="float64", decimals=3, scale=Decimal("0.001"),
    plus=(Term(at=805, type="float64", scale=Decimal("0.001")),),
)  # fmt: skip
WH_AND_MWH = Value(
    at=0, type="uint32", decimals=3, scale=Decimal("0.001"), most=999_999,
    plus=(Term(at=2, type="uint32", scale=Decimal(1000)),),
)  # fmt: skip
DIGITS = Value(
    at=1280, type="uint16", decimals=1, scale=Decimal("0.1"), most=999,
    plus=(Term(at=1281, type="uint16", scale=Decimal(100), most=999),),
)  # fmt: skip


def test_two_tariffs_make_the_total() -> None:
    """1,000,000 Wh and 500,000.5 Wh: 0x412E848000000000 and 0x411E848200000000."""
    words = {801: 0x412E, 802: 0x8480, 803: 0, 804: 0, 805: 0x411E, 806: 0x8482, 807: 0, 808: 0}
    assert single(TARIFFS, words) == Decimal("1500.000")  # 1500.0005 to the even watt-hour
    assert single(TARIFFS, words | {805: 0x7FF8}) == register.NAN
    assert single(TARIFFS, {at: word for at, word in words.items() if at != 808}) == register.MISSING


def test_watt_hours_and_megawatt_hours() -> None:
    """Legrand/IME: 123,456 Wh (0x0001E240) beside 789 MWh (0x00000315)."""
    assert single(WH_AND_MWH, {0: 1, 1: 0xE240, 2: 0, 3: 0x315}) == Decimal("789123.456")
    assert single(WH_AND_MWH, {0: 0x000F, 1: 0x4240, 2: 0, 3: 0x315}) == register.RANGE  # 1,000,000 Wh would be a MWh


def test_groups_of_three_decimal_digits() -> None:
    """Mitsubishi FAQ 22184: low three digits 456 and high three digits 123 are 123456, never 123 x 65536 + 456."""
    assert single(DIGITS, {1280: 456, 1281: 123}) == Decimal("12345.6")
    assert single(DIGITS, {1280: 1000, 1281: 0}) == register.RANGE
    assert single(DIGITS, {1280: 0, 1281: 1000}) == register.RANGE


def test_a_magnitude_and_its_sign() -> None:
    sign = Sign(at=9, type="uint16", negative=("0x0001",), positive=("0x0000",))
    value = Value(at=0, type="uint32", decimals=0, sign=sign)
    words = {0: 0, 1: 1500}
    assert single(value, words | {9: 0}) == 1500
    assert single(value, words | {9: 1}) == -1500
    assert single(value, words | {9: 2}) == register.SIGN
    assert single(value, words) == register.MISSING


def test_a_four_quadrant_power_factor_unfolds() -> None:
    """Schneider: beyond 1 it is 2 - x, beyond -1 it is -2 - x. 0x3FA66666 = 1.3, 0x3F400000 = 0.75."""
    value = Value(at=0, type="float32", decimals=2, decode="four_quadrant")
    made = profile({"power_factor": value})
    assert decoded(made, {0: 0x3FA6, 1: 0x6666})["power_factor"] == Decimal("0.70")
    assert decoded(made, {0: 0xBFA6, 1: 0x6666})["power_factor"] == Decimal("-0.70")
    assert decoded(made, {0: 0x3F40, 1: 0})["power_factor"] == Decimal("0.75")
    assert decoded(made, {0: 0x3F80, 1: 0})["power_factor"] == Decimal("1.00")


def test_a_negative_scale_turns_the_direction() -> None:
    """Huawei's meter: positive power is export."""
    assert single(Value(at=0, type="int32", decimals=0, scale=Decimal(-1)), {0: 0, 1: 250}) == -250


def test_a_sentinel_with_digits_that_may_be_anything() -> None:
    """EM24: 0x7FFF in the high word is overflow, whatever the low word says."""
    value = Value(at=0, type="int32", decimals=1, word_order="little", sentinels=("0x7FFFxxxx",))
    assert single(value, {0: 0x1234, 1: 0x7FFF}) == register.SENTINEL
    assert single(value, {0: 0x7FFF, 1: 0x0001}) == 0x17FFF


# -- factors


@pytest.mark.parametrize(
    ("kind", "content", "found"),
    [
        ("multiply", 25, Decimal("25.0")),
        ("divide", 4, Decimal("2.5")),
        ("power_of_ten", 1, Decimal("100.0")),
        ("multiply", 0, register.SCALE),
        ("divide", 0, register.SCALE),
    ],
)
def test_a_scale_register(kind: Any, content: int, found: Any) -> None:
    scale = Decimal(1) if kind != "multiply" else Decimal("0.1")
    scaling = ScaleRegister(at=4, type="uint16", kind=kind, scale=scale)
    assert single(Value(at=0, type="uint32", decimals=1, scale_register=scaling), {0: 0, 1: 10, 4: content}) == found


UNIT = Factor(
    kind="steps", at=40, type="uint16", times=("vt",),
    steps=(Step(below=Decimal(5000), factor=Decimal("0.01")), Step(below=Decimal(10_000), factor=Decimal(1))),
)  # fmt: skip
VT = Factor(kind="multiply", at=41, type="uint16", scale=Decimal("0.1"))


@pytest.mark.parametrize(
    ("kta", "ktv", "found"),
    [
        (80, 10, "12.34"),  # 80 x 1.0: below 5000
        (499, 100, "12.34"),  # 4990
        (500, 100, "1234.00"),  # 5000 exactly is not below
        (1000, 100, "factor"),  # 10,000: no step
        (80, 0, "factor"),  # a ratio of nought is none
    ],
)
def test_a_unit_that_depends_on_the_meters_settings(kta: int, ktv: int, found: str) -> None:
    made = profile(
        {"active_power": Value(at=0, type="uint32", decimals=2, scaled_by=("unit",))}, factors={"unit": UNIT, "vt": VT}
    )
    value = decoded(made, {0: 0, 1: 1234, 40: kta, 41: ktv})["active_power"]
    assert str(value) == found


def test_a_factor_that_was_not_read_is_missed() -> None:
    made = profile(
        {"active_power": Value(at=0, type="uint32", decimals=2, scaled_by=("unit",))}, factors={"unit": UNIT, "vt": VT}
    )
    assert decoded(made, {0: 0, 1: 1234, 40: 80})["active_power"] == register.MISSING


@pytest.mark.parametrize(
    ("full_load", "found"),
    [("5", "12.34"), ("9.99", "12.34"), ("75", "123.4"), ("1e999999", "factor"), (None, "factor")],
)
def test_a_setting_only_the_meters_menu_shows(full_load: str | None, found: str) -> None:
    """ME96SS: the unit of the counter depends on the full-load power, which no register tells."""
    steps = (Step(below=Decimal(10), factor=Decimal("0.01")), Step(below=Decimal(100), factor=Decimal("0.1")))
    made = profile(
        {"active_energy_import": Value(at=0, type="uint32", decimals=2, scaled_by=("full_load",))},
        factors={"full_load": Factor(kind="steps", steps=steps)},
    )
    settings = Settings(parameters={"full_load": Decimal(full_load)}) if full_load else PLAIN
    value = decoded(made, {0: 0, 1: 1234}, settings)["active_energy_import"]
    assert value == (found if found == "factor" else Decimal(found))


# -- transformer ratios

SIDES = {
    "active_energy_import": Value(at=0, type="uint32", decimals=1, scale=Decimal("0.1"), ratio="ct_vt"),
    "current_l1": Value(at=2, type="uint16", decimals=2, scale=Decimal("0.01"), ratio="ct"),
    "voltage_l1": Value(at=3, type="uint16", decimals=1, scale=Decimal("0.1"), ratio="vt"),
    "active_power": Value(at=4, type="int16", decimals=0, ratio="ct_vt"),
    "frequency": Value(at=5, type="uint16", decimals=2, scale=Decimal("0.01")),
}
READ = profile(
    SIDES,
    ratio=Ratio(source="register", ct=("ct",), vt=("vt",)),
    factors={
        "ct": Factor(kind="multiply", at=6, type="uint16"),
        "vt": Factor(kind="multiply", at=7, type="uint16", scale=Decimal("0.1")),
    },
)
#: 1000.0 kWh, 2.50 A, 100.0 V, 400 W, 50.00 Hz on the secondary side; ratios 80 and 220.0.
WORDS = {0: 0, 1: 10_000, 2: 250, 3: 1000, 4: 400, 5: 5000, 6: 80, 7: 2200}
PRIMARY = {"current_l1": "200.00", "voltage_l1": "22000.0", "active_power": "7040000", "frequency": "50.00"}


def test_a_ratio_that_is_read() -> None:
    """Counters stay as they are; what is instantaneous is what the circuit carries."""
    found = {name: str(value) for name, value in decoded(READ, WORDS).items()}
    assert found == {"active_energy_import": "1000.0", **PRIMARY}
    assert codec.ratio(READ, PLAIN, {("h", at): word for at, word in WORDS.items()}) == Fraction(17_600)


def test_the_ratio_registers_are_evidence() -> None:
    used = set(codec.addresses(READ, PLAIN, ("active_energy_import",)))
    assert used == {("h", 0), ("h", 1), ("h", 6), ("h", 7)}
    assert set(codec.addresses(READ, PLAIN, ("current_l1",))) == {("h", 2), ("h", 6)}
    assert set(codec.addresses(READ, PLAIN, ("frequency",))) == {("h", 5)}


@pytest.mark.parametrize("change", [{6: 0}, {7: 0}])
def test_a_ratio_of_nought_leaves_no_reading(change: dict[int, int]) -> None:
    found = decoded(READ, WORDS | change)
    assert found["active_energy_import"] == register.RATIO
    assert codec.ratio(READ, PLAIN, {("h", at): word for at, word in (WORDS | change).items()}) is None
    assert found["frequency"] == Decimal("50.00")


def test_counts_without_the_ratio_that_was_valid_then_are_no_reading() -> None:
    words = {at: word for at, word in WORDS.items() if at != 6}
    assert decoded(READ, words)["active_energy_import"] == register.MISSING
    assert codec.ratio(READ, PLAIN, {("h", at): word for at, word in words.items()}) is None


def test_a_second_source_of_ratio_is_no_ratio() -> None:
    twice = Settings(ratio="400/5")
    words: Any = {("h", at): word for at, word in WORDS.items()}
    assert codec.ratio(READ, twice, words) is None
    assert decoded(READ, WORDS, twice)["active_energy_import"] == register.RATIO
    primary = profile({"active_energy_import": Value(at=0, type="uint32", decimals=1)}, ratio=Ratio(source="meter"))
    assert codec.ratio(primary, PLAIN, words) == 1
    assert codec.ratio(primary, twice, words) is None


def test_a_ratio_of_the_site() -> None:
    made = profile(SIDES, ratio=Ratio(source="site"))
    words: Any = {("h", at): word for at, word in WORDS.items()}
    settings = Settings(ratio="400/5", vt_ratio="22000/100")
    assert {name: str(value) for name, value in decoded(made, WORDS, settings).items()} == {
        "active_energy_import": "1000.0",
        **PRIMARY,
    }
    assert codec.ratio(made, settings, words) == Fraction(17_600)
    assert codec.ratio(made, Settings(ratio="400/5"), words) == 80
    assert codec.ratio(made, PLAIN, words) is None


def test_counters_behind_a_current_transformer_only() -> None:
    """DDSU666: current is transformed, voltage is not."""
    values = {name: msgspec.structs.replace(value, ratio="ct") for name, value in SIDES.items() if name != "voltage_l1"}
    made = profile(values, ratio=Ratio(source="site"))
    assert codec.ratio(made, Settings(ratio="400/5", vt_ratio="22000/100"), {}) == 80


def test_a_ratio_of_primary_over_secondary() -> None:
    """KDK: CT primary 400 in one register, secondary 5 in another."""
    made = msgspec.structs.replace(
        READ,
        ratio=Ratio(source="register", ct=("ct", "secondary"), vt=("vt",)),
        factors={**READ.factors, "secondary": Factor(kind="divide", at=8, type="uint16")},
    )
    words: Any = {("h", at): word for at, word in {**WORDS, 6: 400, 8: 5}.items()}
    assert codec.ratio(made, PLAIN, words) == 80 * 220


def test_without_a_word_about_ratios_the_sites_is_taken() -> None:
    """Profiles written before `ratio` existed."""
    old = profile({"active_energy_import": Value(at=0, type="uint32", decimals=1)})
    assert codec.ratio(old, Settings(ratio="400/5"), {}) == 80
    assert codec.ratio(old, PLAIN, {}) == 1


# -- how one meter differs from its profile


def test_settings_turn_orders_table_and_address() -> None:
    made = profile({"active_energy_import": Value(at=10, type="uint32", decimals=0)})
    everything = Settings(word_order="little", byte_order="little", table="input", offset=-1)
    words: Any = {("i", 9): 0x0D0C, ("i", 10): 0x0B0A}
    assert codec.decode(made, everything, words).values == {Measurand.ACTIVE_ENERGY_IMPORT: 0x0A0B0C0D}
    assert set(codec.addresses(made, everything, ("active_energy_import",))) == {("i", 9), ("i", 10)}


def test_a_row_with_its_own_table_keeps_it() -> None:
    made = profile({"active_energy_import": Value(at=10, type="uint16", decimals=0, table="holding")})
    assert codec.decode(made, Settings(table="input"), {("h", 10): 7}).values == {Measurand.ACTIVE_ENERGY_IMPORT: 7}
