"""Why a read gave nothing: one error per `GapReason` a line can cause.

    MeterError                   .reason: GapReason, .raw: the words, where they could be read and not believed
    ├── NoReply        timeout        silence, or a gateway saying that the meter is silent (exception 0x0A, 0x0B)
    ├── Unreachable    unreachable    no connection: refused, unknown host, reset, dropped
    ├── ExceptionReply exception      the meter answered with a Modbus exception; .code
    ├── Garbled        garbled        short, wrong unit, wrong function, wrong length, undecodable
    └── NotAvailable   not_available  a cumulative register is NaN or the meter's mark for "no value"; .raw

All are `Unavailable`: the next slot may be better. Codes are `meter.gap_<reason>` or more exact ones of the same
domain.
"""

from __future__ import annotations

from typing import ClassVar

from mrv.errors import Fault, Unavailable
from mrv.reading import GapReason


class MeterError(Unavailable):
    """A read that gave no values."""

    reason: ClassVar[GapReason]

    def __init__(self, why: Fault, raw: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.raw = raw


class NoReply(MeterError):
    """Silence."""

    reason = GapReason.TIMEOUT


class Unreachable(MeterError):
    """No connection to the line or gateway."""

    reason = GapReason.UNREACHABLE


class ExceptionReply(MeterError):
    """The meter refused, with Modbus exception `code`."""

    reason = GapReason.EXCEPTION

    def __init__(self, why: Fault, code: int) -> None:
        super().__init__(why)
        self.code = code


class Garbled(MeterError):
    """An answer that is not the answer to the question."""

    reason = GapReason.GARBLED


class NotAvailable(MeterError):
    """The meter itself says that a credited register has no value."""

    reason = GapReason.NOT_AVAILABLE
