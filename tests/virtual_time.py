"""An event loop whose time passes only when nobody has anything to do: hours of a line in a second, to the microsecond.

asyncio.Runner(loop_factory=VirtualLoop)   everything that sleeps or waits on this loop does so on virtual time
LoopClock()                                the daemon's clock on the running loop

Nothing on such a loop may wait for a real socket: `Stuck` says so.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

from fakes import NEW_YEAR

from agent.clock import Instant


class Stuck(Exception):
    """Everybody waits for something that no timer brings."""


class _Jump(selectors.SelectSelector):
    """Instead of waiting, time jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        if timeout is None:
            raise Stuck
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class LoopClock:
    """Wall and boot time of the daemon, both on the loop's time."""

    boot_id = "boot-a"

    def __init__(self, realtime: int = NEW_YEAR, boottime: int = 3_600_000) -> None:
        self._realtime, self._boottime = realtime, boottime
        self._began = asyncio.get_running_loop().time()

    def read(self) -> Instant:
        passed = round(1000 * (asyncio.get_running_loop().time() - self._began))
        return Instant(realtime=self._realtime + passed, boottime=self._boottime + passed, synchronised=True)

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)
