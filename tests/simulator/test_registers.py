"""The register image: against the codec, and against words worked out by hand from the makers' documents."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import meter_cases
import msgspec
import pytest

from drivers import profiles
from drivers.simulator import frames, sites
from drivers.simulator.numbers import encoded
from drivers.simulator.plant import Clock, Device, snapshot
from drivers.simulator.registers import Image, image
from mrv import codec
from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.profile import MEASURANDS, Factor, Limits, Profile, Ratio, Sign, Stretch, Term, Value

DEMO = sites.demo(Clock(start=10.0, speed=20.0))
LIBRARY = profiles.library()


def imaged(device: Device, t: float) -> Image:
    return image(LIBRARY[device.profile], device.settings, snapshot(device, DEMO.clock, t))


@pytest.mark.parametrize("device", DEMO.devices, ids=lambda device: device.name)
@pytest.mark.parametrize("t", [0.0, 12.34, 3600.0])
def test_the_codec_reads_what_the_plant_shows(device: Device, t: float) -> None:
    profile = LIBRARY[device.profile]
    shown = snapshot(device, DEMO.clock, t)
    decoded = codec.decode(profile, device.settings, imaged(device, t).words)
    assert not decoded.absent
    assert set(decoded.values) == {MEASURANDS[name] for name in profile.values}
    for measurand, value in decoded.values.items():
        coarse = 6e-4 if measurand.cumulative else 2e-4 * abs(shown[measurand]) + 0.06
        assert abs(float(value) - shown[measurand]) <= max(coarse, 2e-7 * abs(shown[measurand])) + 1e-3, measurand


@pytest.mark.parametrize("profile", LIBRARY.values(), ids=lambda profile: profile.id)
@pytest.mark.parametrize("word_order", ["big", "little"])
@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_every_profile_of_the_library_in_all_four_orders(profile: Profile, word_order: str, byte_order: str) -> None:
    settings = meter_cases.wired(profile, word_order=word_order, byte_order=byte_order)
    plant = snapshot(DEMO.devices[1], DEMO.clock, 5.0)
    # A twentieth of the plant's load: some meters count watts in sixteen bits.
    shown = {m: number / 20 if m.unit in {"W", "var", "VA", "A"} else number for m, number in plant.items()}
    words = image(profile, settings, shown).words
    decoded = codec.decode(profile, settings, words)
    assert not decoded.absent
    for measurand, found in decoded.values.items():
        value = profile.values[measurand.name.lower()]
        ratio = codec.ratio(profile, settings, words) if measurand.cumulative else Fraction(1)
        assert ratio is not None
        behind = 80.0 if value.ratio else float(ratio)  # a step on the secondary side, behind 400/5
        step = (float(abs(value.scale)) + 10.0**-value.decimals) * behind
        assert abs(float(Fraction(found) * ratio) - shown[measurand]) <= step + 1e-3 * abs(shown[measurand]), measurand


def test_sdm630_words_by_hand() -> None:
    # 230.2 V is 0x43663333 in the manual's own example of a float in input registers 0 and 1.
    pv = DEMO.devices[0]
    shown = snapshot(pv, DEMO.clock, 0.0) | {Measurand.VOLTAGE_L1: struct.unpack(">f", bytes.fromhex("43663333"))[0]}
    made = image(LIBRARY["eastron_sdm630"], Settings(), shown)
    assert made.read("i", 0, 2) == (0x4366, 0x3333)
    little = image(LIBRARY["eastron_sdm630"], Settings(word_order="little"), shown)
    assert little.read("i", 0, 2) == (0x3333, 0x4366)


def test_sunspec_words_by_hand() -> None:
    # Model 103 at 40070: id 103 first; WH (acc32, offset 24) in Wh with its scale factor 10^0 at offset 26.
    made = imaged(DEMO.devices[1], 0.0)
    assert made.read("h", 40070, 1) == (103,)
    assert made.read("h", 40094, 3) == (12_493_210 >> 16, 12_493_210 & 0xFFFF, 0)
    (watts, factor) = made.read("h", 40084, 2)
    assert factor <= 10 or factor >= 0xFFF6
    exponent = factor - 0x10000 if factor > 10 else factor
    assert watts * 10.0**exponent == pytest.approx(
        snapshot(DEMO.devices[1], DEMO.clock, 0.0)[Measurand.ACTIVE_POWER], rel=1e-3
    )


def test_a_counter_starts_again_at_its_modulus() -> None:
    inverter = DEMO.devices[1]
    shown = snapshot(inverter, DEMO.clock, 0.0) | {Measurand.ACTIVE_ENERGY_EXPORT: (2**32 + 5) / 1000}
    assert image(LIBRARY[inverter.profile], inverter.settings, shown).read("h", 40094, 2) == (0, 5)


def test_counter_differences_match_the_power_beside_them() -> None:
    pv = DEMO.devices[0]
    decoded = [codec.decode(LIBRARY[pv.profile], pv.settings, imaged(pv, float(t)).words).values for t in range(61)]
    counted = decoded[-1][Measurand.ACTIVE_ENERGY_EXPORT] - decoded[0][Measurand.ACTIVE_ENERGY_EXPORT]
    powers = [-Fraction(values[Measurand.ACTIVE_POWER]) for values in decoded]
    summed = sum((a + b) / 2 for a, b in pairwise(powers)) / 3_600_000
    # one float32 step at 12,345 kWh, rounding of both ends, and the knots passing between two whole seconds
    assert abs(Fraction(counted) - summed) < Fraction(Decimal("0.005"))


def test_registers_between_two_values_read_zero_and_the_rest_is_refused() -> None:
    made = imaged(DEMO.devices[0], 0.0)
    assert made.read("i", 64, 6) == (0,) * 6
    for address, count in ((358, 2), (400, 2), (356, 4)):
        with pytest.raises(frames.Refusal) as refusal:
            made.read("i", address, count)
        assert refusal.value.code == frames.ILLEGAL_ADDRESS
    with pytest.raises(frames.Refusal):
        made.read("h", 0, 2)


@pytest.mark.parametrize(
    ("address", "count", "code"),
    [(0, 82, frames.ILLEGAL_VALUE), (1, 2, frames.ILLEGAL_ADDRESS), (0, 3, frames.ILLEGAL_ADDRESS)],
)
def test_the_device_limits_of_the_profile_hold(address: int, count: int, code: int) -> None:
    with pytest.raises(frames.Refusal) as refusal:
        imaged(DEMO.devices[0], 0.0).read("i", address, count)
    assert refusal.value.code == code


def test_forbidden_registers_are_refused_even_as_filler() -> None:
    limits = Limits(registers=80, forbidden=(Stretch(table="input", first=20, last=23),))
    profile = msgspec.structs.replace(LIBRARY["eastron_sdm630"], limits=limits)
    made = image(profile, Settings(), snapshot(DEMO.devices[0], DEMO.clock, 0.0))
    assert len(made.read("i", 0, 20)) == 20
    assert len(made.read("i", 24, 2)) == 2
    for address, count in ((0, 21), (23, 2), (10, 60)):
        with pytest.raises(frames.Refusal):
            made.read("i", address, count)


def test_secondary_registers_hold_what_is_shown_divided_by_the_ratio() -> None:
    """400 A through 400/5 is 5 A; 22,000 V through 22000/110 is 110 V. The ratio registers say 80 and 200.0."""
    values = {
        "active_energy_import": Value(at=0, type="uint32", decimals=1, scale=Decimal("0.1"), ratio="ct_vt"),
        "current_l1": Value(at=2, type="uint16", decimals=2, scale=Decimal("0.01"), ratio="ct"),
        "voltage_l1": Value(at=3, type="uint16", decimals=1, scale=Decimal("0.1"), ratio="vt"),
    }
    factors = {
        "ct": Factor(kind="multiply", at=6, type="uint16"),
        "vt": Factor(kind="multiply", at=7, type="uint16", scale=Decimal("0.1")),
    }
    made = msgspec.structs.replace(
        LIBRARY["eastron_sdm630"], table="holding", values=values, factors=factors, read=tuple(values),
        ratio=Ratio(source="register", ct=("ct",), vt=("vt",)),
    )  # fmt: skip
    shown = {Measurand.ACTIVE_ENERGY_IMPORT: 1_600_000.0, Measurand.CURRENT_L1: 400.0, Measurand.VOLTAGE_L1: 22_000.0}
    words = image(made, Settings(), shown, {"ct": 80.0, "vt": 200.0}).words
    assert words == {("h", at): word for at, word in {0: 0, 1: 1000, 2: 500, 3: 1100, 6: 80, 7: 2000}.items()}


@pytest.mark.parametrize(
    ("value", "shown", "words"),
    [
        (Value(at=0, type="iskra_t5", decimals=3), 123.456, {0: 0xFBBC, 1: 0x6100}),  # 12,345,600 x 10^-5
        (Value(at=0, type="iskra_t7", decimals=3), -0.9876, {0: 0xFF00, 1: 0x2694}),
        (
            Value(at=0, type="uint16", decimals=1, scale=Decimal("0.1"), modulus=1_000_000,
                  plus=(Term(at=1, type="uint16", scale=Decimal(100), most=999),)),
            112_345.6, {0: 456, 1: 123},
        ),
        (
            Value(at=0, type="uint32", decimals=0,
                  sign=Sign(at=4, type="uint16", negative=("0x0001",), positive=("0x0000",))),
            -1500.0, {0: 0, 1: 1500, 4: 1},
        ),
        (Value(at=0, type="int32", decimals=0, scale=Decimal(-1)), 250.0, {0: 0xFFFF, 1: 0xFF06}),
    ],
)  # fmt: skip
def test_odd_values_by_hand(value: Value, shown: float, words: dict[int, int]) -> None:
    name = "active_energy_import" if value.modulus else "active_power"
    made = msgspec.structs.replace(LIBRARY["eastron_sdm630"], table="holding", values={name: value}, read=(name,))
    found = image(made, Settings(), {MEASURANDS[name]: shown}).words
    assert found == {("h", at): word for at, word in words.items()}


def test_more_than_a_type_holds_is_the_most_it_can_show() -> None:
    assert encoded("int16", 90_000.0) == (32_766).to_bytes(2, "big")
    assert encoded("int16", -90_000.0) == (-32_767).to_bytes(2, "big", signed=True)
    assert encoded("uint16", -3.0) == b"\x00\x00"
