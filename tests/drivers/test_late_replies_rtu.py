"""Late, lost, doubled and broken replies at random on a serial line: no value is ever taken for another register's.

Every register holds its own address, so a word says where it came from. Nothing in a frame says which question it
answers, and reopening the port does not stop what is under way: only a quiet line is safe. 10,000 reads on a modelled
line and virtual time always; on a pseudo terminal and through a serial server fewer by default, 10,000 when slow.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from rtu_device import Modelled, Pty, RtuRequest, SerialServer, Wire, ramp
from virtual_time import VirtualLoop

from drivers import bus as buses
from drivers import rtu_line
from drivers.errors import MeterError
from drivers.rtu import Timing
from drivers.rtu_line import Manners, RtuBus, serial_opener, tcp_opener

#: In ms, a fortieth of what a real line is given. What comes late comes before TIMEOUT + LATE.
TIMEOUT, LATE = 25, 50
FLAWS = ("late", "late and broken", "doubled", "lost", "busy", "broken", "short")
FAST = Timing(baud=115200)


@dataclass
class Unruly:
    """The device's behaviour: one in eight requests goes wrong, chosen by seed."""

    seed: int
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FLAWS, 0))

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    async def __call__(self, _: Wire, request: RtuRequest) -> None:
        flaw = self._dice.choice(FLAWS) if self._dice.random() < 0.125 else ""
        if flaw:
            self.done[flaw] += 1
        answer = request.answer(ramp(request))
        await asyncio.sleep(self._dice.uniform(0, 0.004))
        if flaw.startswith("late"):
            await asyncio.sleep(self._dice.uniform(1.1, 2.6) * TIMEOUT / 1000)
        if flaw.endswith("broken"):
            answer = answer[:-1] + bytes([answer[-1] ^ 1])
        if flaw == "short":
            answer = answer[: self._dice.randrange(1, len(answer))]
        if flaw == "busy":
            answer = request.refusal(6)
        if flaw != "lost":
            await request.send(answer)
        if flaw == "doubled":
            await asyncio.sleep(self._dice.uniform(0, 0.004))
            await request.send(answer)


@dataclass
class Tally:
    right: int = 0
    wrong: int = 0
    failed: int = 0


async def reads(kind: str, seed: int, count: int, *, retries: int = 1, most_words: int = 4) -> tuple[Tally, Unruly]:
    unruly, tally, dice = Unruly(seed), Tally(), random.Random(seed + 1)
    async with AsyncExitStack() as stack:
        if kind == "modelled":
            opener = Modelled(unruly).open
        elif kind == "pty":
            opener = serial_opener((await stack.enter_async_context(Pty(unruly))).port, FAST)
        else:
            opener = tcp_opener("127.0.0.1", (await stack.enter_async_context(SerialServer(unruly))).port)
        tested = RtuBus("line", opener, Manners(timing=FAST, late=LATE), timeout=TIMEOUT, retries=retries)
        for _ in range(count):
            address, words = dice.randrange(0, 60000), dice.randint(1, most_words)
            try:
                found = await tested.read(1, dice.choice("hi"), address, words)  # type: ignore[arg-type]
            except MeterError:
                tally.failed += 1
                continue
            tally.right += found == tuple(range(address, address + words))
            tally.wrong += found != tuple(range(address, address + words))
        await tested.close()
    return tally, unruly


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buses, "BUSY_PAUSE", 1)
    monkeypatch.setattr(rtu_line, "_TWIN", 10)


def judged(tally: Tally, unruly: Unruly, count: int) -> None:
    assert tally.wrong == 0
    assert tally.right > 0.75 * count, "and the retries save most of them"
    assert min(unruly.done.values()) >= count // 200, "every flaw has happened"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_thousand_reads_on_virtual_time(seed: int) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        judged(*runner.run(reads("modelled", seed, 10_000)), 10_000)


@pytest.mark.parametrize("kind", ["pty", "rtu over tcp"])
@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
async def test_no_value_is_attributed_to_another_register(kind: str, count: int) -> None:
    judged(*await reads(kind, 1, count), count)


async def at_once(*_: object) -> bool:
    return True


@pytest.mark.parametrize("kind", ["pty", "rtu over tcp"])
async def test_without_the_guard_some_are(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same device and seeds, and nobody waits for the line to be quiet."""
    monkeypatch.setattr(rtu_line._Connection, "_quiet", at_once)
    tally, _ = await reads(kind, 1, 300, retries=0, most_words=1)
    assert tally.wrong > 0


def test_without_the_guard_some_are_on_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtu_line._Connection, "_quiet", at_once)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        tally, _ = runner.run(reads("modelled", 1, 2000))
    assert tally.wrong > 10


def test_reopening_instead_of_listening_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a device is about to say it says to the port that is open by then."""

    async def never(_: object) -> bool:
        return False

    monkeypatch.setattr(rtu_line._Connection, "recover", never)
    monkeypatch.setattr(rtu_line._Connection, "_settle", at_once)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        tally, _ = runner.run(reads("modelled", 1, 2000))
    assert tally.wrong > 10
