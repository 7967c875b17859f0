"""One meter on a line: a sample per call, or the reason why there is none.

It asks for the words its profile needs, decodes them with the codec the office uses, and keeps exactly the words the
decoder looks at as evidence. It holds no state between reads: what the last sample was is none of its business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from drivers import blocks
from drivers.bus import ALL, Bus, Effort
from drivers.errors import NotAvailable
from mrv import codec
from mrv.binding import BoundMeter
from mrv.codec import Decoded
from mrv.errors import fault
from mrv.measurand import Measurand
from mrv.profile import Profile, Table


@dataclass(frozen=True, slots=True)
class Sample:
    """What a meter said: `raw` and `registers` as a Reading carries them, and the numbers for people."""

    raw: dict[str, str]
    registers: dict[str, str]
    values: dict[Measurand, Decimal]
    #: Instantaneous values the meter marks as not there, with the reason (mrv.codec).
    absent: dict[Measurand, str] = field(default_factory=dict)


class Meter:
    """A meter at its point, read over `bus` as `unit`. The requests are planned once, here.

    Raises BadInput when the profile names a value no single request can fetch.
    """

    def __init__(self, bound: BoundMeter, profile: Profile, bus: Bus, unit: int) -> None:
        self.bound = bound
        self.profile = profile
        self.unit = unit
        self.requests = blocks.plan(profile, profile.read, bound.settings.base or 0)
        self._bus = bus
        self._used = frozenset(codec.addresses(profile, bound.settings, profile.read))

    @property
    def id(self) -> str:
        return self.bound.meter

    async def read(self, effort: Effort = ALL) -> Sample:
        """One sample. Raises drivers.errors.MeterError; NotAvailable carries the words that could not be believed."""
        words = await self._words(effort)
        raw = codec.pack(words)
        decoded = codec.decode(self.profile, self.bound.settings, words)
        self._require_registers(decoded, raw)
        return Sample(raw, codec.registers(self.profile, decoded), decoded.values, decoded.absent)

    async def _words(self, effort: Effort) -> dict[tuple[Table, int], int]:
        words: dict[tuple[Table, int], int] = {}
        for block in self.requests:
            found = await self._bus.read(self.unit, block.table, block.first, block.count, effort=effort)
            fresh = {(block.table, block.first + i): word for i, word in enumerate(found)}
            words.update((at, word) for at, word in fresh.items() if at in self._used)
        return words

    def _require_registers(self, decoded: Decoded, raw: dict[str, str]) -> None:
        """A meter without one of its cumulative registers gave no reading, whatever else it said."""
        missing = {m: why for m, why in decoded.absent.items() if m.cumulative}
        if missing:
            names = ", ".join(f"{m.name.lower()} ({why})" for m, why in missing.items())
            raise NotAvailable(fault("meter.register_not_available", self.id, registers=names), raw)
