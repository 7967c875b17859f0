"""Stand-ins for the ports of the daemon: a clock turned by hand, a line that answers what it is told.

clock = FakeClock()                       # synchronised, 2026-01-01 00:00 UTC, boot time 1 h
bus = FakeBus(clock, dead={7: NoReply})   # unit 7 is silent and costs a second each time
await clock.run(60_000, settle)           # a minute passes: every sleeper wakes at its time
clock.step(-3_600_000)                    # somebody sets the wall clock back an hour
"""

from __future__ import annotations

import asyncio
import heapq
import struct
from collections.abc import Awaitable, Callable
from itertools import count

from agent.clock import Instant
from drivers.bus import ALL, Effort
from drivers.errors import MeterError
from mrv.errors import fault

NEW_YEAR = 1_767_225_600_000


class FakeClock:
    """Wall time and boot time that pass only in `run`; `step` moves wall time alone."""

    def __init__(
        self, realtime: int = NEW_YEAR, boottime: int = 3_600_000, *, synchronised: bool = True, boot: str = "boot-a"
    ) -> None:
        self.realtime, self.boottime, self.synchronised = realtime, boottime, synchronised
        self.boot_id = boot
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def read(self) -> Instant:
        return Instant(realtime=self.realtime, boottime=self.boottime, synchronised=self.synchronised)

    async def sleep(self, ms: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.boottime + ms, next(self._order), future))
        await future

    @property
    def sleeping(self) -> int:
        """How many wait for their time."""
        return len(self._sleepers)

    def step(self, ms: int) -> None:
        self.realtime += ms

    def pass_time(self, ms: int) -> None:
        self.realtime += ms
        self.boottime += ms

    async def run(self, ms: int, settle: Callable[[], Awaitable[None]]) -> None:
        """Let `ms` pass; after each wake-up `settle` waits until everybody has done what there was to do."""
        end = self.boottime + ms
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self.pass_time(max(0, at - self.boottime))
            if not future.done():
                future.set_result(None)
            await settle()
        self.pass_time(max(0, end - self.boottime))


class FakeBus:
    """A line of SDM630-like meters: every input register is a float32 that counts up with boot time, every holding
    register a setting, which somebody may change.

    `dead` maps units to the error they give; `cost` is how long (ms) that takes, `latency` how long an answer takes.
    """

    def __init__(
        self,
        clock: FakeClock,
        *,
        dead: dict[int, type[MeterError]] | None = None,
        cost: int = 1000,
        latency: int = 5,
    ) -> None:
        self.clock = clock
        self.dead = dead if dead is not None else {}
        self.cost, self.latency = cost, latency
        self.asked: list[int] = []
        self.closed = False
        self.setting = 0

    async def read(self, unit: int, table: str, address: int, count: int, *, effort: Effort = ALL) -> tuple[int, ...]:
        self.asked.append(unit)
        error = self.dead.get(unit)
        if error is not None:
            await self.clock.sleep(self.cost)
            raise error(fault("meter.gap_timeout", f"unit {unit}"))
        if self.latency:
            await self.clock.sleep(self.latency)
        if table == "h":
            return (self.setting,) * count
        value = struct.unpack(">2H", struct.pack(">f", 1000 + self.clock.boottime / 1_000_000))
        return tuple(value[(address + i) % 2] for i in range(count))

    async def close(self) -> None:
        self.closed = True
