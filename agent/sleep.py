"""An inverter at night: asleep, not broken; and what it says when it wakes up is not believed at once.

Pure, on boot-time milliseconds. While it is dark an inverter that does not answer is `asleep`: asked now and then, in
no quarantine, no failure to anybody. When it answers again it may say zero, yesterday's value or anything: its reads
are kept as evidence, and only the third of three that agree is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mrv.reading import GapReason

#: How often (ms) a sleeper is asked.
PROBE_MS = 15 * 60 * 1000
#: Reads that must agree, and how many are waited for before the last one is handed on as it is: then it is for the
#: counter rules of the law (mrv.usage) to say what happened.
AGREEING, MOST = 3, 12
#: What sleep looks like. A garbled reply is a fault of the line at any hour.
_SILENCES = frozenset({GapReason.TIMEOUT, GapReason.UNREACHABLE, GapReason.EXCEPTION, GapReason.NOT_AVAILABLE})
#: Between two reads at dawn a register may rise by one part in so many, or by so much (its own unit, mostly kWh).
_SHARE, _RISE = 100, Decimal(20)

Registers = Mapping[str, str]


@dataclass(slots=True)
class Sleep:
    """One inverter."""

    asleep: bool = False
    _resume: int = 0
    _last: Registers = field(default_factory=dict)
    _trusted: Registers = field(default_factory=dict)
    _agreeing: int = AGREEING
    _waited: int = 0

    @property
    def waking(self) -> bool:
        """It answers, and is not believed yet."""
        return not self.asleep and self._agreeing < AGREEING

    def rests(self, now: int, *, dark: bool) -> bool:
        """Whether to let it sleep on."""
        return self.asleep and dark and now < self._resume

    def excuses(self, why: GapReason, now: int, *, dark: bool) -> bool:
        """Whether a failure is sleep; noted if it is."""
        if not dark or why not in _SILENCES:
            return False
        self.asleep, self._resume, self._agreeing, self._waited = True, now + PROBE_MS, 0, 0
        return True

    def believes(self, registers: Registers) -> bool:
        """Whether to use a read with these cumulative registers."""
        self.asleep = False
        if self._agreeing < AGREEING:
            before = self._last or self._trusted
            steady = not _below(self._trusted, registers) and _steady(before, registers)
            self._agreeing, self._waited = (self._agreeing if steady else 0) + 1, self._waited + 1
            self._last = registers
            if self._agreeing < AGREEING and self._waited < MOST:
                return False
        self._trusted, self._last, self._agreeing = registers, {}, AGREEING
        return True


def _below(before: Registers, after: Registers) -> bool:
    """A counter that goes backwards overnight: zeros at dawn, mostly."""
    return any(Decimal(after[code]) < Decimal(value) for code, value in before.items() if code in after)


def _steady(before: Registers, after: Registers) -> bool:
    """Whether `after` can follow `before` within one interval at dawn."""
    pairs = [(Decimal(before[code]), Decimal(after[code])) for code in before if code in after]
    return all(0 <= new - old <= max(_RISE, old / _SHARE) for old, new in pairs)
