"""Whether a reading is of now: a gateway may go on giving the last values of a meter that has been dead for days.

Pure. No grid keeps every voltage and the frequency to the last digit for long. A meter behind a gateway whose voltages
and frequency have not changed for ten polls is stale; when its registers have not moved either, its readings are
suspect. A meter of which no voltage and frequency are read cannot be told to be stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from mrv.measurand import Measurand

#: Polls with the same values.
POLLS = 10
_LIVELY = frozenset(m for m in Measurand if m is Measurand.FREQUENCY or m.name.startswith("VOLTAGE"))


@dataclass(slots=True)
class Freshness:
    """One meter behind a gateway."""

    _values: tuple[Decimal, ...] = ()
    _registers: tuple[str, ...] = ()
    _same: int = 1
    _still: int = 1

    @property
    def stale(self) -> bool:
        """The grid stands still."""
        return self._same >= POLLS

    @property
    def frozen(self) -> bool:
        """And so do the registers."""
        return self.stale and self._still >= POLLS

    def note(self, values: Mapping[Measurand, Decimal], registers: Mapping[str, str]) -> None:
        """One more poll."""
        lively = tuple(values[m] for m in sorted(values.keys() & _LIVELY, key=lambda m: m.name))
        counted = tuple(registers[code] for code in sorted(registers))
        telling = Measurand.FREQUENCY in values and len(lively) > 1 and any(lively)
        self._same = self._same + 1 if telling and lively == self._values else 1
        self._still = self._still + 1 if counted == self._registers else 1
        self._values, self._registers = lively, counted
