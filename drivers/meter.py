"""One meter on a line: a sample per call, or the reason why there is none.

It asks for the words its profile needs, decodes them with the codec the office uses, and keeps exactly the words the
decoder looks at as evidence. It holds no state between reads: what the last sample was is none of its business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from drivers import blocks
from drivers.bus import ALL, Bus, Effort
from drivers.errors import ExceptionReply, NotAvailable
from mrv import codec, identity
from mrv.binding import BoundMeter
from mrv.codec import Decoded
from mrv.errors import fault
from mrv.measurand import Measurand
from mrv.profile import Profile, Table

#: Asked without being tried again: who it is can wait for the next time.
ONCE = Effort(first=True)


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
        self.profile = profile.adapted(bound.settings)
        self.unit = unit
        self.requests = blocks.plan(self.profile, profile.read, bound.settings.shift)
        self._bus = bus
        places = identity.places(profile, bound.settings)
        self._identity = tuple(dict.fromkeys(blocks.fetch(self.profile, p, bound.settings.shift) for p in places))
        self._telling = frozenset((p.table, at) for p in places for at in range(p.at, p.end))
        self._decoder = codec.Decoder(profile, bound.settings)
        self._used = frozenset(codec.addresses(profile, bound.settings, profile.read))

    @property
    def id(self) -> str:
        return self.bound.meter

    async def read(self, effort: Effort = ALL) -> Sample:
        """One sample. Raises drivers.errors.MeterError; NotAvailable carries the words that could not be believed."""
        words = await self._words(effort)
        raw = codec.pack(words)
        decoded = self._decoder.decode(words)
        self._require_registers(decoded, raw)
        return Sample(raw, codec.registers(self.profile, decoded), decoded.values, decoded.absent)

    @property
    def can_say(self) -> bool:
        """Whether its profile knows registers that say who it is."""
        return bool(self._identity)

    async def say(self) -> tuple[dict[str, str], dict[str, str]]:
        """Who the meter says it is (mrv.identity), and the words. Raises drivers.errors.MeterError.

        Registers this model refuses are left out: what it cannot say is no reason to doubt the rest.
        """
        words: dict[tuple[Table, int], int] = {}
        for block in self._identity:
            try:
                found = await self._bus.read(self.unit, block.table, block.first, block.count, effort=ONCE)
            except ExceptionReply:
                continue
            fresh = {(block.table, block.first + i): word for i, word in enumerate(found)}
            words.update((at, word) for at, word in fresh.items() if at in self._telling)
        return identity.said(self.profile, self.bound.settings, words), codec.pack(words)

    def primary(self, sample: Sample) -> Fraction | None:
        """What registers are multiplied by to stand on the side of the transformer on which power is decoded.

        None where the words do not say it.
        """
        if self.profile.ratio is None:
            return Fraction(1)  # both as the meter shows them
        return codec.ratio(self.profile, self.bound.settings, codec.unpack(sample.raw))

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
