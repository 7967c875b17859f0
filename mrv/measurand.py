"""What is measured: one closed list, each with its OBIS code, unit and nature.

OBIS codes are the C.D.E groups of IEC 62056-6-1 for medium 1 (electricity); a measurand *is* its unit, so a value
never travels without one. Import means energy flowing from the grid side into the load side of the meter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class _Nature:
    obis: str
    unit: str
    cumulative: bool
    signed: bool


def _register(obis: str, unit: str) -> _Nature:
    return _Nature(obis, unit, cumulative=True, signed=False)


def _instant(obis: str, unit: str, *, signed: bool = False) -> _Nature:
    return _Nature(obis, unit, cumulative=False, signed=signed)


class Measurand(Enum):
    """A quantity a meter can report. `value.obis` is its name on the wire (docs/wire.md)."""

    ACTIVE_ENERGY_IMPORT = _register("1.8.0", "kWh")
    ACTIVE_ENERGY_EXPORT = _register("2.8.0", "kWh")
    ACTIVE_ENERGY_ABSOLUTE = _register("15.8.0", "kWh")
    ACTIVE_ENERGY_IMPORT_L1 = _register("21.8.0", "kWh")
    ACTIVE_ENERGY_IMPORT_L2 = _register("41.8.0", "kWh")
    ACTIVE_ENERGY_IMPORT_L3 = _register("61.8.0", "kWh")
    ACTIVE_ENERGY_EXPORT_L1 = _register("22.8.0", "kWh")
    ACTIVE_ENERGY_EXPORT_L2 = _register("42.8.0", "kWh")
    ACTIVE_ENERGY_EXPORT_L3 = _register("62.8.0", "kWh")
    REACTIVE_ENERGY_IMPORT = _register("3.8.0", "kvarh")
    REACTIVE_ENERGY_EXPORT = _register("4.8.0", "kvarh")
    APPARENT_ENERGY = _register("9.8.0", "kVAh")
    ACTIVE_POWER = _instant("16.7.0", "W", signed=True)
    ACTIVE_POWER_L1 = _instant("36.7.0", "W", signed=True)
    ACTIVE_POWER_L2 = _instant("56.7.0", "W", signed=True)
    ACTIVE_POWER_L3 = _instant("76.7.0", "W", signed=True)
    REACTIVE_POWER = _instant("131.7.0", "var", signed=True)
    APPARENT_POWER = _instant("9.7.0", "VA")
    POWER_FACTOR = _instant("13.7.0", "1", signed=True)
    VOLTAGE_L1 = _instant("32.7.0", "V")
    VOLTAGE_L2 = _instant("52.7.0", "V")
    VOLTAGE_L3 = _instant("72.7.0", "V")
    VOLTAGE_L1_L2 = _instant("32.7.1", "V")
    VOLTAGE_L2_L3 = _instant("52.7.1", "V")
    VOLTAGE_L3_L1 = _instant("72.7.1", "V")
    CURRENT_L1 = _instant("31.7.0", "A")
    CURRENT_L2 = _instant("51.7.0", "A")
    CURRENT_L3 = _instant("71.7.0", "A")
    CURRENT_N = _instant("91.7.0", "A")
    FREQUENCY = _instant("14.7.0", "Hz")

    @property
    def obis(self) -> str:
        return self.value.obis

    @property
    def unit(self) -> str:
        return self.value.unit

    @property
    def cumulative(self) -> bool:
        return self.value.cumulative

    @property
    def signed(self) -> bool:
        return self.value.signed

    @property
    def both_ways(self) -> bool:
        """Whether one register counts the energy of both directions, so that nobody can tell them apart again.

        Such a register credits nothing. Counters that a key press or midnight sets back to 0 (partial, daily) are no
        measurand at all: a profile cannot name them as energy.
        """
        return self in {Measurand.ACTIVE_ENERGY_ABSOLUTE, Measurand.APPARENT_ENERGY}


#: By the name profiles use: lower case.
MEASURANDS: dict[str, Measurand] = {m.name.lower(): m for m in Measurand}
BY_OBIS = {m.obis: m for m in Measurand}
