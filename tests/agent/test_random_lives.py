"""A gateway lives through anything, at random: whatever it wrote must be judged clean, every slot covered once.

A life is a list of misfortunes drawn from a fixed seed, so a failure names a life that can be lived again.
"""

from __future__ import annotations

import random
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from fakes import NEW_YEAR, FakeBus, FakeClock
from gateway import Gateway, Verdict, write

from drivers.errors import NoReply, Unreachable
from link.errors import DiskFull
from mrv.errors import fault

MISFORTUNES = ("step", "step", "unsync", "sync", "crash", "stop", "boot", "line", "disk", "keypad")


class Life:
    """One gateway and what happens to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        synchronised = self.chance.random() < 0.7
        self.clock = FakeClock(NEW_YEAR if synchronised else 5_000, synchronised=synchronised)
        self.true_offset = NEW_YEAR - self.clock.boottime
        self.bus = FakeBus(self.clock)
        self.boots = 0
        self.gateway = Gateway(folder, self.clock, self.bus)

    async def live(self, misfortunes: int) -> None:
        await self.gateway.start()
        for _ in range(misfortunes):
            await self.gateway.pass_time(self.chance.choice([0.3, 1, 7, 12, 33, 61, 130]))
            name = self.chance.choice(MISFORTUNES)
            await getattr(self, f"_{name}")()
        self.set_right()
        self.bus.dead.clear()
        self.bus.latency = 5
        await self.gateway.pass_time(130)
        await self.gateway.stop()

    def set_right(self) -> None:
        self.clock.synchronised = True
        self.clock.realtime = max(self.clock.realtime, self.clock.boottime + self.true_offset)

    async def _step(self) -> None:
        if self.clock.synchronised:
            self.clock.step(self.chance.choice([-90_000, -11_000, -3_000, -600, 400, 700, 4_000, 15_000, 3_600_000]))

    async def _unsync(self) -> None:
        self.clock.synchronised = False

    async def _sync(self) -> None:
        self.set_right()

    async def _crash(self) -> None:
        await self.gateway.crash()
        self.clock.pass_time(self.chance.choice([200, 4_000, 25_000, 200_000]))
        await self._again()

    async def _stop(self) -> None:
        await self.gateway.stop()
        self.clock.pass_time(self.chance.choice([500, 30_000]))
        await self._again()

    async def _boot(self) -> None:
        """The power goes; the clock comes back right, wrong or not at all."""
        await self.gateway.crash()
        self.boots += 1
        off = self.chance.choice([20_000, 400_000])
        now, known = self.clock.realtime + off, self.chance.random() < 0.6
        boottime = 15_000
        self.true_offset = max(now, NEW_YEAR) - boottime
        self.clock = FakeClock(now if known else 5_000, boottime, synchronised=known, boot=f"boot-{self.boots}")
        setting, self.bus = self.bus.setting, FakeBus(self.clock)
        self.bus.setting = setting
        await self._again()

    async def _again(self) -> None:
        self.bus.clock = self.clock
        self.gateway = Gateway(self.folder, self.clock, self.bus)
        await self.gateway.start()

    async def _line(self) -> None:
        self.bus.latency = self.chance.choice([5, 5, 900, 2_600])
        self.bus.dead.clear()
        for unit in self.chance.sample([1, 3, 7], self.chance.choice([0, 1, 3])):
            self.bus.dead[unit] = self.chance.choice([NoReply, Unreachable])

    async def _keypad(self) -> None:
        """Somebody changes a setting: all meters are others from then on."""
        self.bus.setting = self.chance.choice([0, 1])

    async def _disk(self) -> None:
        store: Any = self.gateway.store
        full: Future[int] = Future()
        full.set_exception(DiskFull(fault("link.disk_full", "log.sqlite")))
        store.append = lambda *_args, **_kwargs: full
        await self.gateway.pass_time(self.chance.choice([4, 25]))
        del store.append


@pytest.mark.parametrize("seed", range(12))
async def test_a_life(tmp_path: Path, seed: int) -> None:
    await _judged(tmp_path, seed, 12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(100, 120), 215])
async def test_a_long_life(tmp_path: Path, seed: int) -> None:
    await _judged(tmp_path, seed, 40)


async def _judged(folder: Path, seed: int, misfortunes: int) -> None:
    write(folder)
    life = Life(folder, seed)
    await life.live(misfortunes)
    verdict = Verdict(folder)
    verdict.clean()
    assert verdict.summaries
    assert not life.gateway.daemon.recorder.trouble
