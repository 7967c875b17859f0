"""Characters take their time: what is said on a serial line comes out at its baud rate, one speaker after the other.

A pseudo terminal and a TCP socket deliver at once what a UART would deliver character by character; timeouts, budgets
and late replies can only be tried where time passes as it does on the wire. Bytes that are due together travel
together, so the end of a frame is exact and the middle is not finer than CHUNK seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Start bit, eight data bits, parity or second stop bit, stop bit: Modbus over Serial Line 1.02, 2.5.1.
BITS = 11
CHUNK = 0.016
#: Silence between two frames, in characters (2.5.1.1).
GAP = 3.5


class Pace:
    """The outgoing side of one line. `put` hands over bytes that have been said; `baud` None: all at once."""

    def __init__(self, put: Callable[[bytes], None], baud: int | None) -> None:
        self._put = put
        self.character = BITS / baud if baud else 0.0
        self._free = 0.0
        self._timers: set[asyncio.TimerHandle] = set()

    def heard(self, size: int) -> None:
        """`size` characters have just been handed over by the other end: it will be that long before they are said."""
        self._free = max(self._free, _now()) + size * self.character

    def say(self, data: bytes, after: float = 0.0) -> None:
        """Say `data` from `after` seconds on, or when the line is free."""
        start = max(self._free + GAP * self.character, _now() + after)
        self._free = start + len(data) * self.character
        size = max(1, int(CHUNK / self.character)) if self.character else len(data)
        for first in range(0, len(data), size or 1):
            chunk = data[first : first + size]
            self._at(start + (first + len(chunk)) * self.character, chunk)

    @property
    def rest(self) -> float:
        """Seconds until everything has been said."""
        return max(0.0, self._free - _now())

    def silence(self) -> None:
        """Nothing that was to be said is said any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _at(self, when: float, chunk: bytes) -> None:
        if when <= _now():
            self._put(chunk)
            return
        timer = asyncio.get_running_loop().call_at(when, self._put, chunk)
        self._timers = {t for t in self._timers if not t.cancelled() and t.when() > _now()} | {timer}


def _now() -> float:
    return asyncio.get_running_loop().time()
