"""Feeds the daily comparison of energy and power (mrv.crosscheck) and says when they do not agree.

A day that disagrees is an alarm until a day agrees, and a `meter` leaf, so that the office sees it as well. It changes
no figure. A restart begins the day anew.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from agent.clock import Moment
from drivers.meter import Meter, Sample
from mrv import number
from mrv.crosscheck import Compared, Crosscheck
from mrv.errors import Fault, fault
from mrv.events import CROSSCHECK
from mrv.leaf import MeterEvent
from mrv.limits import limits
from mrv.measurand import Measurand

#: Decimals of kWh in leaf and alarm.
_SHOWN = 3


class Witness:
    """Compares one meter with itself. `tell` gets the leaf of a day that disagrees."""

    def __init__(self, meter: Meter, tell: Callable[[MeterEvent], None], *, config: int) -> None:
        self.meter = meter
        #: What stands against the meter since the last whole day.
        self.alarm: Fault | None = None
        self._check = Crosscheck(limits(meter.profile, meter.bound.settings, meter.bound.every))
        self._tell = tell
        self._config = config

    def __call__(self, sample: Sample, taken: Moment) -> None:
        """One sample, when it was taken."""
        power, ratio = sample.values.get(Measurand.ACTIVE_POWER), self.meter.primary(sample)
        found = self._check.see(taken.boottime, sample.registers, power if ratio else None, ratio or Fraction(1))
        if found is None:
            return
        self.alarm = None if found.agrees else self._said(found)
        if self.alarm:
            self._tell(
                MeterEvent(
                    boot=taken.boot,
                    boottime=taken.boottime,
                    ts=taken.ts,
                    clock=taken.state,
                    meter=self.meter.id,
                    config=self._config,
                    event=CROSSCHECK,
                    details=self.alarm.params,
                )
            )

    def _said(self, found: Compared) -> Fault:
        figures = {"energy": found.energy, "power": found.power, "allowed": found.allowed}
        spelled = {name: number.spell(number.rounded(value, _SHOWN), _SHOWN) for name, value in figures.items()}
        return fault("agent.crosscheck", self.meter.id, hours=found.time // 3_600_000, **spelled)
