"""The register image: against the codec, and against words worked out by hand from the makers' documents."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest

from drivers import profiles
from drivers.simulator import frames, sites
from drivers.simulator.plant import Clock, Device, snapshot
from drivers.simulator.registers import Image, image
from mrv import codec
from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.profile import MEASURANDS, Limits, Profile, Stretch

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
    settings = Settings(base=100 if profile.relative else None, word_order=word_order)
    profile = msgspec.structs.replace(profile, byte_order=byte_order)
    shown = snapshot(DEMO.devices[1], DEMO.clock, 5.0)
    decoded = codec.decode(profile, settings, image(profile, settings, shown).words)
    assert not decoded.absent
    assert float(decoded.values[Measurand.VOLTAGE_L1]) == pytest.approx(shown[Measurand.VOLTAGE_L1], abs=0.06)


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
