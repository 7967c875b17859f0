"""Words to exact numbers: every type and order, sentinels, scales, and the one spelling of words in a leaf."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv import codec, register
from mrv.binding import Settings
from mrv.errors import BadInput
from mrv.measurand import Measurand
from mrv.profile import WORDS, Guard, Profile, ScaleRegister, Value

PLAIN = Settings()
ENERGY = Measurand.ACTIVE_ENERGY_IMPORT


def profile(**value: Any) -> Profile:
    """A meter with one energy register at holding 10."""
    over = {
        name: value.pop(name) for name in ("sentinels_by_type", "guards", "byte_order", "word_order") if name in value
    }
    described = Value(**{"at": 10, "type": "uint32", "decimals": 0, **value})
    return Profile(
        id="one_value",
        revision=1,
        maker="m",
        models=("m",),
        kind="meter",
        confidence="high",
        sources=("s",),
        table="holding",
        values={"active_energy_import": described},
        read=("active_energy_import",),
        sentinels=over.pop("sentinels_by_type", {}),
        **over,
    )


def decode(made: Profile, *words: int, settings: Settings = PLAIN, at: int = 10) -> Decimal | str:
    table = made.table_of(made.values["active_energy_import"])
    decoded = codec.decode(made, settings, {(table, at + i): word for i, word in enumerate(words)})
    return decoded.values[ENERGY] if ENERGY in decoded.values else decoded.absent[ENERGY]


def half_even(exact: Fraction, decimals: int) -> Decimal:
    """An independent spelling of the rounding rule."""
    scaled = exact * 10**decimals
    low = scaled.numerator // scaled.denominator
    rest = scaled - low
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 1)
    return Decimal(low + up).scaleb(-decimals) if abs(low) < 10**27 else Decimal(f"{low + up}e-{decimals}")


@pytest.mark.parametrize(
    ("kind", "words", "number"),
    [
        ("uint16", [0xFFFE], 65534),
        ("int16", [0xFFFE], -2),
        ("uint32", [0xFFFF, 0xFFFE], 4294967294),
        ("int32", [0xFFFF, 0xFFFE], -2),
        ("uint64", [0xFFFF] * 3 + [0xFFFE], 18446744073709551614),
        ("int64", [0xFFFF] * 3 + [0xFFFE], -2),
        ("acc32", [0x0012, 0x22DE], 1188574),
        ("acc64", [0, 1, 0, 0], 4294967296),
        ("sunssf", [0xFFFE], -2),
        ("float32", [0x42C8, 0x0000], 100),
        ("float64", [0x4059, 0, 0, 0], 100),
    ],
)
def test_every_type(kind: str, words: list[int], number: int) -> None:
    assert decode(profile(type=kind), *words) == number


@pytest.mark.parametrize(
    ("byte_order", "word_order", "words"),
    [
        ("big", "big", [0x0A0B, 0x0C0D]),
        ("big", "little", [0x0C0D, 0x0A0B]),
        ("little", "big", [0x0B0A, 0x0D0C]),
        ("little", "little", [0x0D0C, 0x0B0A]),
    ],
    ids=["ABCD", "CDAB", "BADC", "DCBA"],
)
def test_four_orders_per_device_and_per_value(byte_order: str, word_order: str, words: list[int]) -> None:
    orders = {"byte_order": byte_order, "word_order": word_order}
    assert decode(profile(**orders), *words) == 0x0A0B0C0D
    described = msgspec.structs.replace(profile().values["active_energy_import"], **orders)
    assert decode(msgspec.structs.replace(profile(), values={"active_energy_import": described}), *words) == 0x0A0B0C0D


def test_the_wiring_turns_the_devices_word_order_and_no_values_own() -> None:
    turned = Settings(word_order="little")
    assert decode(profile(), 1, 2, settings=turned) == 0x20001
    own = msgspec.structs.replace(profile().values["active_energy_import"], word_order="big")
    fixed = msgspec.structs.replace(profile(), values={"active_energy_import": own})
    assert decode(fixed, 1, 2, settings=turned) == 0x10002


def test_a_base_moves_all_addresses() -> None:
    assert decode(profile(), 0, 7, settings=Settings(base=40000), at=40010) == 7
    assert decode(profile(), 0, 7, settings=Settings(base=40000)) == register.MISSING


def test_the_table_of_the_value_outranks_the_devices() -> None:
    assert codec.decode(profile(table="input"), PLAIN, {("i", 10): 0, ("i", 11): 5}).values == {ENERGY: 5}


@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.sampled_from(["1", "0.001", "0.01", "10", "1000"]))
def test_float32_is_its_exact_value_rounded_once(bits: int, decimals: int, scale: str) -> None:
    found = decode(profile(type="float32", decimals=decimals, scale=Decimal(scale)), bits >> 16, bits & 0xFFFF)
    exponent, mantissa = bits >> 23 & 0xFF, bits & 0x7FFFFF
    if exponent == 0xFF:
        assert found == (register.NAN if mantissa else register.INFINITE)
        return
    magnitude = Fraction(mantissa | (0x800000 if exponent else 0)) * Fraction(2) ** (max(exponent, 1) - 150)
    exact = magnitude * (-1 if bits >> 31 else 1) * Fraction(scale)
    assert isinstance(found, Decimal)
    assert abs(Fraction(found) - exact) <= Fraction(1, 2 * 10**decimals)
    assert Fraction(found) == Fraction(half_even(exact, decimals))


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 3))
def test_float64_is_its_exact_value_rounded_once(number: float, decimals: int) -> None:
    words = struct.unpack(">4H", struct.pack(">d", number))
    found = decode(profile(type="float64", decimals=decimals), *words)
    assert isinstance(found, Decimal)
    assert abs(Fraction(found) - Fraction(number)) <= Fraction(1, 2 * 10**decimals)


@pytest.mark.parametrize(
    ("bits", "decimals", "spelled"),
    [
        (0x3E000000, 2, "0.12"),  # 0.125: a tie goes to the even digit
        (0x3EC00000, 2, "0.38"),  # 0.375
        (0xBE000000, 2, "-0.12"),
        (0x80000000, 1, "0.0"),  # minus zero is zero
        (0xB58637BD, 3, "0.000"),  # -0.000001 leaves no sign behind
    ],
)
def test_ties_and_signs(bits: int, decimals: int, spelled: str) -> None:
    made = profile(type="float32", decimals=decimals)
    decoded = codec.decode(made, PLAIN, {("h", 10): bits >> 16, ("h", 11): bits & 0xFFFF})
    assert codec.registers(made, decoded) == {"1.8.0": spelled}


@given(
    st.integers(0, 2**64 - 1),
    st.sampled_from(sorted(kind for kind in WORDS if not kind.startswith(("float", "iskra")))),
)
def test_integers_round_trip_exactly(number: int, kind: str) -> None:
    size = WORDS[kind]
    number %= 1 << 16 * size
    words = struct.unpack(f">{size}H", number.to_bytes(2 * size, "big"))
    found = decode(profile(type=kind, decimals=3, scale=Decimal("0.001")), *words)
    signed = kind.startswith("int") or kind == "sunssf"
    expected = number - (1 << 16 * size) if signed and number >> (16 * size - 1) else number
    assert Fraction(found) * 1000 == expected


def scaled(kind: str = "uint32") -> Profile:
    register = ScaleRegister(at=20, type="sunssf", kind="power_of_ten")
    return profile(
        type=kind,
        decimals=3,
        scale=Decimal("0.001"),
        scale_register=register,
        sentinels_by_type={"sunssf": ("0x8000",)},
    )


@pytest.mark.parametrize(
    ("power", "found"),
    [
        (0, Decimal("1234.567")),
        (1, Decimal("12345.670")),
        (3, Decimal("1234567.000")),
        (0xFFFF, Decimal("123.457")),  # 10^-1: rounded once, to the profile's decimals
        (10, Decimal("12345670000000.000")),
        (11, register.SCALE),
        (0xFFF5, register.SCALE),  # -11
        (0x8000, register.SCALE),  # not implemented
        (None, register.MISSING),
    ],
)
def test_power_of_ten_registers(power: int | None, found: Decimal | str) -> None:
    words = {("h", 10): 1234567 >> 16, ("h", 11): 1234567 & 0xFFFF}
    if power is not None:
        words["h", 20] = power
    decoded = codec.decode(scaled(), PLAIN, words)  # type: ignore[arg-type]
    assert decoded.values.get(ENERGY, decoded.absent.get(ENERGY)) == found


@pytest.mark.parametrize("kind", sorted(set(WORDS) - {"iskra_t7"}))
def test_sentinels_of_the_device_and_of_the_value(kind: str) -> None:
    pattern = "0x" + "00BC" * WORDS[kind]
    words = [0x00BC] * WORDS[kind]
    assert decode(profile(type=kind, sentinels_by_type={kind: (pattern,)}), *words) == register.SENTINEL
    assert decode(profile(type=kind, sentinels=(pattern,)), *words) == register.SENTINEL
    assert isinstance(decode(profile(type=kind, sentinels=("0x" + "00BD" * WORDS[kind],)), *words), Decimal)


def test_sentinels_are_written_in_reading_order_whatever_the_wire_order() -> None:
    """Carlo Gavazzi: overflow 0x7FFFFFFF arrives as FFFF 7FFF."""
    made = profile(type="int32", word_order="little", sentinels_by_type={"int32": ("0x7FFFFFFF",)})
    assert decode(made, 0xFFFF, 0x7FFF) == register.SENTINEL


@pytest.mark.parametrize("quiet", [0x7FC00000, 0x7F800001, 0xFFC00000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_every_nan_is_absent(quiet: int) -> None:
    assert decode(profile(type="float32"), quiet >> 16, quiet & 0xFFFF) == register.NAN


@pytest.mark.parametrize("bits", [0x7F800000, 0xFF800000])
def test_infinity_is_absent(bits: int) -> None:
    assert decode(profile(type="float32"), bits >> 16, bits & 0xFFFF) == register.INFINITE


def test_a_guard_refuses_everything_unless_it_stands_there() -> None:
    made = profile(guards=(Guard(at=0, equals=("0x0067", "0x0068")),))
    good = {("h", 10): 0, ("h", 11): 5}
    assert codec.decode(made, PLAIN, {**good, ("h", 0): 0x67}).values == {ENERGY: 5}
    assert codec.decode(made, PLAIN, {**good, ("h", 0): 0x68}).values == {ENERGY: 5}
    for other in ({**good, ("h", 0): 0x66}, {**good, ("i", 0): 0x67}, good):
        found = codec.decode(made, PLAIN, other)  # type: ignore[arg-type]
        assert (found.values, found.absent) == ({}, {ENERGY: register.GUARD})


def test_a_value_nobody_asked_for_is_not_missed() -> None:
    extra = {**profile().values, "frequency": Value(at=30, type="uint16", decimals=2, scale=Decimal("0.01"))}
    made = msgspec.structs.replace(profile(), values=extra)
    found = codec.decode(made, PLAIN, {("h", 10): 0, ("h", 11): 5})
    assert found.absent == {}
    also = codec.decode(made, PLAIN, {("h", 10): 0, ("h", 11): 5, ("h", 30): 5000})
    assert also.values == {ENERGY: Decimal(5), Measurand.FREQUENCY: Decimal("50.00")}
    assert codec.registers(made, also) == {"1.8.0": "5"}


addresses = st.tuples(st.sampled_from("hi"), st.integers(0, 65535))


@given(st.dictionaries(addresses, st.integers(0, 0xFFFF), max_size=60))
def test_pack_and_unpack_are_inverse(words: Any) -> None:
    assert codec.unpack(codec.pack(words)) == words


def test_runs_are_merged_and_tables_kept_apart() -> None:
    words = {("i", 1): 0xAB, ("i", 0): 1, ("h", 2): 0xFFFF, ("i", 3): 0}
    assert codec.pack(words) == {"h:2": "ffff", "i:0": "000100ab", "i:3": "0000"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw",
    [
        {"x:0": "0000"},
        {"i": "0000"},
        {"i:": "0000"},
        {"i:-1": "0000"},
        {"i:+1": "0000"},
        {"i:00": "0000"},
        {"i:１": "0000"},
        {"i:0": ""},
        {"i:0": "000"},
        {"i:0": "00"},
        {"i:0": "00G0"},
        {"i:0": "00FF"},
        {"i:0": "00 00"},
        {"i:0": "0000", "i:1": "0000"},
        {"i:0": "00000000", "i:1": "0000"},
        {"i:65535": "00000000"},
        {"i:65536": "0000"},
        {"i:999999999": "0000"},
    ],
)
def test_words_have_one_spelling(raw: dict[str, str]) -> None:
    with pytest.raises(BadInput) as caught:
        codec.unpack(raw)
    assert caught.value.faults[0].code == "meter.raw_malformed"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=4))
def test_unpack_takes_only_what_pack_writes(raw: dict[str, str]) -> None:
    try:
        words = codec.unpack(raw)
    except BadInput:
        return
    assert codec.pack(words) == raw


@given(st.dictionaries(addresses, st.integers(0, 0xFFFF), max_size=30))
def test_decode_never_raises(words: Any) -> None:
    for kind in sorted(WORDS):
        found = codec.decode(scaled(kind), PLAIN, words)
        assert len(found.values) + len(found.absent) == 1
