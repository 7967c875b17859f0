"""What a meter of a scenario shows at an instant, whatever has been done to it before: a pure function of time.

Power is of the moment; counters are its integral over the whole history, piece by piece between the moments at which
something changed. So a counter agrees with the power beside it however often a transformer was turned or a ratio set,
as it would in a real meter: it counts what it sees, right or wrong. Time is scenario seconds since the start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from drivers.simulator.misfortune import CtRatio, Once, Reset, ReversedCt, Rollover, Sqrt3, Swapped
from drivers.simulator.plant import SHARES, Clock, Device, energy, snapshot
from mrv.measurand import Measurand

M = Measurand
_PHASES = range(3)
_IMPORTS = (M.ACTIVE_ENERGY_IMPORT_L1, M.ACTIVE_ENERGY_IMPORT_L2, M.ACTIVE_ENERGY_IMPORT_L3)
_EXPORTS = (M.ACTIVE_ENERGY_EXPORT_L1, M.ACTIVE_ENERGY_EXPORT_L2, M.ACTIVE_ENERGY_EXPORT_L3)
_POWERS = (M.ACTIVE_POWER_L1, M.ACTIVE_POWER_L2, M.ACTIVE_POWER_L3)
_AMPS = (M.CURRENT_L1, M.CURRENT_L2, M.CURRENT_L3)
_VOLTS = (M.VOLTAGE_L1, M.VOLTAGE_L2, M.VOLTAGE_L3)

Shown = dict[Measurand, float]


@dataclass(frozen=True, slots=True)
class Counted:
    """kWh since some moment: all the way it usually flows, all the other way, and each phase (signed)."""

    forward: float
    backward: float
    phases: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`device` and what happens to it. `netted`: phases are added up before counting, not each counted by itself."""

    device: Device
    clock: Clock
    faults: Sequence[Once]
    netted: bool
    #: kWh after which a counter that rolls over starts again, if the fault does not say.
    modulus: float
    #: Values that stay as they were given.
    values: Mapping[Measurand, float]

    def shown(self, t: float) -> Shown:
        """Everything the meter would show, each in its measurand's unit."""
        shown = snapshot(self.device, self.clock, self._real(t)) | dict(self.values)
        self._distort(shown, t)
        shown.update({m: v for m, v in self._counters(t).items() if m not in self.values})
        return shown

    def _real(self, t: float) -> float:
        """Scenario seconds as the plant's clock takes them: it multiplies by the speed itself."""
        return t / self.clock.speed

    def seen(self, t: float) -> tuple[float, float, float]:
        """What the meter takes each phase's power for, as a multiple of what it is."""
        factors = [1.0, 1.0, 1.0]
        for fault in self.faults:
            if fault.begin <= t < fault.end:
                if isinstance(fault, CtRatio):
                    factors = [factor * float(fault.factor) for factor in factors]
                elif isinstance(fault, ReversedCt):
                    factors[fault.phase - 1] *= -1
        return factors[0], factors[1], factors[2]

    def counted(self, begin: float, end: float) -> Counted:
        """What it counts from `begin` to `end`."""
        changes = {moment for fault in self.faults for moment in (fault.begin, fault.end) if begin < moment < end}
        forward = backward = 0.0
        phases = [0.0, 0.0, 0.0]
        for a, b in pairwise(sorted({begin, end} | changes)):
            used = energy(self.device, self.clock, self._real(b)) - energy(self.device, self.clock, self._real(a))
            parts = [used * share * factor for share, factor in zip(SHARES, self.seen(a), strict=True)]
            ways = [sum(parts)] if self.netted else parts
            forward += sum(max(0.0, way) for way in ways)
            backward += sum(max(0.0, -way) for way in ways)
            phases = [phase + part for phase, part in zip(phases, parts, strict=True)]
        return Counted(forward, backward, (phases[0], phases[1], phases[2]))

    def _counters(self, t: float) -> Shown:
        opening, since = self._standing(t)
        counted = self.counted(since, t)
        modulus = next((self._modulus(f) for f in self.faults if isinstance(f, Rollover) and f.begin >= since), 0.0)
        total = opening + counted.forward
        total = total % modulus if modulus else total
        imports = self.device.counts is M.ACTIVE_ENERGY_IMPORT
        other, mine, back = (
            (M.ACTIVE_ENERGY_EXPORT, _IMPORTS, _EXPORTS) if imports else (M.ACTIVE_ENERGY_IMPORT, _EXPORTS, _IMPORTS)
        )
        reactive = (opening + sum(abs(part) for part in counted.phases)) * math.tan(math.acos(self.device.power_factor))
        return {
            self.device.counts: total,
            other: counted.backward,
            M.ACTIVE_ENERGY_ABSOLUTE: total + counted.backward,
            M.REACTIVE_ENERGY_IMPORT: reactive,
            M.APPARENT_ENERGY: math.hypot(opening + counted.forward, reactive),
            **{mine[k]: opening * SHARES[k] + max(0.0, counted.phases[k]) for k in _PHASES},
            **{back[k]: max(0.0, -counted.phases[k]) for k in _PHASES},
        }

    def _standing(self, t: float) -> tuple[float, float]:
        """Where the counter stood (kWh) when it last began to count, and when that was."""
        opening, since = self.device.opening, 0.0
        for fault in sorted(self.faults, key=lambda fault: fault.begin):
            if fault.begin <= t and isinstance(fault, (Reset, Swapped)):
                opening = float(fault.to if isinstance(fault, Reset) else fault.opening)
                since = fault.begin
        for fault in self.faults:
            if isinstance(fault, Rollover) and fault.begin >= since:
                opening = self._modulus(fault) - self.counted(since, fault.begin).forward
        return opening, since

    def _modulus(self, fault: Rollover) -> float:
        return float(fault.modulus) if fault.modulus is not None else self.modulus

    def _distort(self, shown: Shown, t: float) -> None:
        """Powers, currents and voltages as the meter takes them for."""
        factors = self.seen(t)
        if factors != (1.0, 1.0, 1.0):
            whole = sum(share * abs(factor) for share, factor in zip(SHARES, factors, strict=True))
            for k in _PHASES:
                shown[_POWERS[k]] *= factors[k]
                shown[_AMPS[k]] *= abs(factors[k])
            net = sum(shown[power] for power in _POWERS)
            shown[M.APPARENT_POWER] *= whole
            shown[M.REACTIVE_POWER] *= sum(share * factor for share, factor in zip(SHARES, factors, strict=True))
            shown[M.ACTIVE_POWER] = net
            shown[M.POWER_FACTOR] = abs(net) / shown[M.APPARENT_POWER] if shown[M.APPARENT_POWER] else 1.0
        for fault in self.faults:
            if isinstance(fault, Sqrt3) and fault.begin <= t < fault.end:
                factor = math.sqrt(3) if fault.shows == "line_as_phase" else 1 / math.sqrt(3)
                shown.update({volts: shown[volts] * factor for volts in _VOLTS})
