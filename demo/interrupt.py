"""Ctrl-C, SIGTERM and a lost terminal as something to ask about, not an exception that may come anywhere."""

from __future__ import annotations

import signal
import time
from types import FrameType

_SLICE = 0.1


class Interrupt:
    """Owns the handlers of this process. The first signal asks for an orderly end, the second for a quick one."""

    def __init__(self) -> None:
        self._signals = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count)

    @property
    def asked(self) -> bool:
        return self._signals > 0

    @property
    def hurried(self) -> bool:
        return self._signals > 1

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the next signal."""
        end, before = time.monotonic() + seconds, self._signals
        while self._signals == before and time.monotonic() < end:
            time.sleep(min(_SLICE, max(0.0, end - time.monotonic())))

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
