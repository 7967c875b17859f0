"""The plant moves like a plant, and its counters are the integral of its power."""

from __future__ import annotations

import math

import pytest

from drivers.simulator import sites
from drivers.simulator.curve import DAY, STEP, Curve
from drivers.simulator.plant import Clock, Device, energy, power, snapshot
from mrv.measurand import Measurand

DEMO = sites.demo(Clock(start=10.0, speed=20.0))
PV, INVERTER, CHILLER = DEMO.devices


@pytest.mark.parametrize("shape", ["pv", "chiller"])
def test_energy_is_the_integral_of_power(shape: str) -> None:
    curve = Curve(shape=shape, peak=1000.0, seed=7)
    for start in (0, 7 * 3600 + 13, DAY - 90, 3 * DAY + 12 * 3600):
        seconds = range(start, start + 600)
        summed = sum((curve.power(s) + curve.power(s + 1)) / 2 for s in seconds) / 3600
        assert curve.energy(start + 600) - curve.energy(start) == pytest.approx(summed, rel=1e-9, abs=1e-9)


def test_a_counter_follows_the_power_shown_in_real_time_at_any_speed() -> None:
    for speed in (1.0, 20.0, 600.0):
        clock = Clock(start=9.0, speed=speed)
        step = STEP / speed / 60
        summed = sum((power(PV, clock, n * step) + power(PV, clock, (n + 1) * step)) / 2 * step for n in range(600))
        assert energy(PV, clock, 600 * step) == pytest.approx(summed / 3_600_000, rel=1e-6)


def test_no_sun_at_night_and_clouds_by_day() -> None:
    curve = PV.curve
    assert all(curve.power(hour * 3600) == 0 for hour in (0, 3, 5.99, 18.01, 22))
    noon = [curve.power(11.5 * 3600 + minute * 60) for minute in range(60)]
    assert max(noon) > 1.05 * min(noon) > 0
    assert max(noon) <= curve.peak


def test_days_differ_and_come_back_the_same() -> None:
    days = [PV.curve.energy((day + 1) * DAY) - PV.curve.energy(day * DAY) for day in range(4)]
    assert len({round(total) for total in days}) == 4
    assert Curve(shape="pv", peak=PV.curve.peak, seed=1).power(40_000) == PV.curve.power(40_000)
    assert Curve(shape="pv", peak=PV.curve.peak, seed=2).power(40_000) != PV.curve.power(40_000)


def test_the_inverter_shows_a_little_more_than_the_meter() -> None:
    for t in (0.0, 17.5, 60.0):
        meter, inverter = (snapshot(device, DEMO.clock, t) for device in (PV, INVERTER))
        assert 1.0 < inverter[Measurand.ACTIVE_POWER] / -meter[Measurand.ACTIVE_POWER] < 1.03


def test_the_chiller_works_by_day() -> None:
    assert CHILLER.curve.power(14 * 3600) > 2 * CHILLER.curve.power(2 * 3600) > 0


@pytest.mark.parametrize("device", DEMO.devices, ids=lambda device: device.name)
def test_what_is_shown_fits_together(device: Device) -> None:
    shown = snapshot(device, DEMO.clock, 33.3)
    watts = shown[Measurand.ACTIVE_POWER]
    phases = [shown[Measurand[f"ACTIVE_POWER_L{n}"]] for n in (1, 2, 3)]
    volts = [shown[Measurand[f"VOLTAGE_L{n}"]] for n in (1, 2, 3)]
    amps = [shown[Measurand[f"CURRENT_L{n}"]] for n in (1, 2, 3)]
    factor = shown[Measurand.POWER_FACTOR]
    assert sum(phases) == pytest.approx(watts)
    assert sum(v * a * factor for v, a in zip(volts, amps, strict=True)) == pytest.approx(abs(watts))
    assert math.hypot(watts, shown[Measurand.REACTIVE_POWER]) == pytest.approx(shown[Measurand.APPARENT_POWER])
    assert shown[Measurand.VOLTAGE_L1_L2] / volts[0] == pytest.approx(math.sqrt(3), rel=0.02)
    assert 49.9 < shown[Measurand.FREQUENCY] < 50.1
    assert set(shown) == set(Measurand)


def test_a_load_site_has_as_many_meters_as_asked_for_on_two_buses() -> None:
    plant = sites.load(Clock(), 20)
    assert len({(device.bus, device.unit) for device in plant.devices}) == 20
    assert {device.bus for device in plant.devices} == {"a", "b"}
    assert len({device.name for device in plant.devices}) == 20
