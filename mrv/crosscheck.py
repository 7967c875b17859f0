"""Energy by the registers against energy by the power over the same time: a second witness, never a source of energy.

A tenfold scale, a ratio that is applied on one side only, a meter that adds both directions, the wrong register: each
makes the two differ by far more than sampling does. Compared over pairs of neighbouring readings only, so that gaps
count on neither side. Whether energy is called import or export is not compared: inverters and meters disagree on
signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from mrv.limits import NANO, Limits, nano
from mrv.measurand import Measurand

IMPORT, EXPORT = Measurand.ACTIVE_ENERGY_IMPORT.obis, Measurand.ACTIVE_ENERGY_EXPORT.obis
#: How far the two may differ: a share of the larger, or so many steps of the register.
SHARE, STEPS = Fraction(1, 20), 3
#: Neighbours further apart than so many intervals say nothing about the power between them.
NEIGHBOURS = 3
DAY, HOUR = 86_400_000, 3_600_000
#: Less than this much (ms) of compared time in a day says nothing.
LEAST = HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One day: net kWh by registers and by power over `time` ms of neighbouring readings."""

    energy: Fraction
    power: Fraction
    allowed: Fraction
    time: int

    @property
    def agrees(self) -> bool:
        return abs(abs(self.energy) - abs(self.power)) <= self.allowed


class Crosscheck:
    """One meter's day, reading by reading; `limits` says how finely its registers count.

    Registers and power are on the same side of the transformer once registers are multiplied by `ratio`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._since: int | None = None
        self._last: tuple[int, Fraction, Fraction] | None = None
        self._energy = self._power = Fraction(0)
        self._time = 0
        self._step = Fraction(0)

    def see(self, at: int, registers: Mapping[str, str], power: Decimal | None, ratio: Fraction) -> Compared | None:
        """One reading at boot time `at` (ms), power in W: the comparison of the day that is over with it, if any."""
        if self._since is None:
            self._since = at
        net = [(sign, obis) for sign, obis in ((1, IMPORT), (-1, EXPORT)) if obis in registers]
        if power is not None and net:
            energy = ratio * sum((Fraction(sign * nano(registers[obis]), NANO) for sign, obis in net), Fraction(0))
            self._step = ratio * sum(
                (Fraction(self._limits.resolution(obis, nano(registers[obis])), NANO) for _, obis in net), Fraction(0)
            )
            self._pair(at, energy, self._only(Fraction(power), [obis for _, obis in net]))
        if at - self._since < DAY:
            return None
        done = self._compared() if self._time >= LEAST else None
        self._since, self._energy, self._power, self._time = at, Fraction(0), Fraction(0), 0
        return done

    def _only(self, power: Fraction, registers: list[str]) -> Fraction:
        """A meter read for its import alone says nothing of what flows out."""
        return max(power, Fraction(0)) if registers == [IMPORT] else power

    def _pair(self, at: int, energy: Fraction, power: Fraction) -> None:
        last, self._last = self._last, (at, energy, power)
        if last is None or not 0 < at - last[0] <= NEIGHBOURS * self._limits.every:
            return
        self._energy += energy - last[1]
        self._power += (power + last[2]) / 2 * (at - last[0]) / HOUR / 1000
        self._time += at - last[0]

    def _compared(self) -> Compared:
        allowed = max(SHARE * max(abs(self._energy), abs(self._power)), STEPS * self._step)
        return Compared(energy=self._energy, power=self._power, allowed=allowed, time=self._time)
