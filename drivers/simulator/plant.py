"""What every meter of a simulated plant would show at an instant: a pure function of time.

The plant has its own sun: `Clock` says at which hour the plant starts and how much faster than real time its day goes
by. Counters nevertheless add up power over *real* seconds, so whoever reads them finds power and energy in agreement
whatever the speed. Time is seconds since the plant started.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from drivers.simulator.curve import Curve
from mrv.binding import Settings
from mrv.measurand import Measurand

#: How a three-phase load spreads over its phases; never quite even.
SHARES = (0.335, 0.332, 0.333)
_POWERS = (Measurand.ACTIVE_POWER_L1, Measurand.ACTIVE_POWER_L2, Measurand.ACTIVE_POWER_L3)
_VOLTS = (Measurand.VOLTAGE_L1, Measurand.VOLTAGE_L2, Measurand.VOLTAGE_L3)
_LINES = (Measurand.VOLTAGE_L1_L2, Measurand.VOLTAGE_L2_L3, Measurand.VOLTAGE_L3_L1)
_AMPS = (Measurand.CURRENT_L1, Measurand.CURRENT_L2, Measurand.CURRENT_L3)
_IMPORTS = (Measurand.ACTIVE_ENERGY_IMPORT_L1, Measurand.ACTIVE_ENERGY_IMPORT_L2, Measurand.ACTIVE_ENERGY_IMPORT_L3)
_EXPORTS = (Measurand.ACTIVE_ENERGY_EXPORT_L1, Measurand.ACTIVE_ENERGY_EXPORT_L2, Measurand.ACTIVE_ENERGY_EXPORT_L3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The plant's own time: `start` hours after midnight at the beginning, `speed` plant seconds per real second."""

    start: float = 10.0
    speed: float = 1.0

    def plant_second(self, t: float) -> float:
        return self.start * 3600 + self.speed * t


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One meter or inverter: where it answers, and which share of which curve flows through it."""

    name: str
    bus: str
    unit: int
    profile: str
    curve: Curve
    settings: Settings = field(default_factory=Settings)
    #: Share of the curve seen here; an inverter shows a little more than the meter behind its cable.
    share: float = 1.0
    #: The register its energy counts up, and where that register stood (kWh) when the plant started.
    counts: Measurand = Measurand.ACTIVE_ENERGY_IMPORT
    opening: float = 10_000.0
    power_factor: float = 0.98
    #: -1.0 for a meter that sees energy flow out towards the grid: it shows that power as negative.
    sign: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Devices under one clock."""

    name: str
    clock: Clock
    devices: tuple[Device, ...]


def power(device: Device, clock: Clock, t: float) -> float:
    """W through `device` in whichever direction, `t` seconds after the start."""
    return device.share * device.curve.power(clock.plant_second(t))


def energy(device: Device, clock: Clock, t: float) -> float:
    """kWh through `device` since the start: the integral of `power` over real time."""
    plant = device.curve.energy(clock.plant_second(t)) - device.curve.energy(clock.plant_second(0))
    return device.share * plant / clock.speed / 1000


def snapshot(device: Device, clock: Clock, t: float) -> dict[Measurand, float]:
    """Everything `device` would show at one instant, each in its measurand's unit."""
    watts = power(device, clock, t)
    return _counters(device, energy(device, clock, t)) | _network(device, watts, t)


def _counters(device: Device, used: float) -> dict[Measurand, float]:
    total = device.opening + used
    phases = _IMPORTS if device.counts is Measurand.ACTIVE_ENERGY_IMPORT else _EXPORTS
    reactive = math.tan(math.acos(device.power_factor))
    return {
        **dict.fromkeys((Measurand.ACTIVE_ENERGY_IMPORT, Measurand.ACTIVE_ENERGY_EXPORT, *_IMPORTS, *_EXPORTS), 0.0),
        device.counts: total,
        Measurand.ACTIVE_ENERGY_ABSOLUTE: total,
        Measurand.REACTIVE_ENERGY_IMPORT: total * reactive,
        Measurand.REACTIVE_ENERGY_EXPORT: 0.0,
        Measurand.APPARENT_ENERGY: total / device.power_factor,
        **{phase: total * share for phase, share in zip(phases, SHARES, strict=True)},
    }


def _network(device: Device, watts: float, t: float) -> dict[Measurand, float]:
    volts = [230 + 1.5 * math.sin(t / 15.4 + 2.1 * phase) + 0.8 * math.sin(t / 97.6) for phase in range(3)]
    factor = device.power_factor if watts else 1.0
    amps = [watts * share / (volt * factor) for share, volt in zip(SHARES, volts, strict=True)]
    a, b, c = amps
    return {
        Measurand.ACTIVE_POWER: device.sign * watts,
        **{phase: device.sign * watts * share for phase, share in zip(_POWERS, SHARES, strict=True)},
        Measurand.APPARENT_POWER: watts / factor,
        Measurand.REACTIVE_POWER: watts * math.tan(math.acos(factor)),
        Measurand.POWER_FACTOR: factor,
        Measurand.FREQUENCY: 50 + 0.02 * math.sin(t / 23.1) + 0.01 * math.sin(t / 7.3),
        **dict(zip(_VOLTS, volts, strict=True)),
        **dict(zip(_AMPS, amps, strict=True)),
        **{line: _line(volts[k], volts[(k + 1) % 3]) for k, line in enumerate(_LINES)},
        Measurand.CURRENT_N: math.sqrt(max(0.0, a * a + b * b + c * c - a * b - b * c - c * a)),
    }


def _line(first: float, second: float) -> float:
    """Voltage between two phases 120 degrees apart."""
    return math.sqrt(first * first + second * second + first * second)
