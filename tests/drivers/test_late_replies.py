"""Late, lost and doubled replies at random: no value is ever taken for another register's.

Every register holds its own address, so a word says where it came from. The device behaves as a gateway with a queue:
what it could not send in time it sends as soon as it can, on the same connection, numbered as it pleases.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from modbus_device import Device, Request, ramp

from drivers import bus, tcp
from drivers.errors import MeterError
from drivers.tcp import TcpBus

READS = 2000
TIMEOUT = 25
FLAWS = ("late", "late as number 0", "late as the newest", "doubled", "doubled as number 0", "lost", "busy")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """These reads follow each other at once: a line that rests, because the machine was too busy to open it within the
    timeout, would refuse them all until its rest is over."""
    monkeypatch.setattr(bus, "BUSY_PAUSE", 1)
    monkeypatch.setattr(bus, "REST", (0, 0))


@dataclass
class Queue:
    """The device's behaviour: one in eight requests goes wrong, chosen by seed."""

    seed: int
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FLAWS, 0))

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    async def __call__(self, device: Device, request: Request) -> None:
        flaw = self._dice.choice(FLAWS) if self._dice.random() < 0.125 else ""
        if flaw:
            self.done[flaw] += 1
        if flaw.startswith("late"):
            await asyncio.sleep(self._dice.uniform(1.1, 2.5) * TIMEOUT / 1000)
        if flaw not in ("lost", "busy"):
            await request.send(request.answer(ramp(request), transaction=self._number(flaw, device, request)))
        if flaw == "busy":
            await request.send(request.refusal(6))
        if flaw.startswith("doubled"):
            await asyncio.sleep(self._dice.uniform(0, 0.002))
            number = 0 if flaw.endswith("0") else request.transaction
            await request.send(request.answer(ramp(request), transaction=number))

    @staticmethod
    def _number(flaw: str, device: Device, request: Request) -> int:
        if flaw.endswith("newest"):
            return [r for r in device.requests if r.connection == request.connection][-1].transaction
        return 0 if flaw == "late as number 0" else request.transaction


@dataclass
class Tally:
    right: int = 0
    wrong: int = 0
    failed: int = 0


async def reads(seed: int, count: int, *, retries: int = 1, most_words: int = 4) -> tuple[Tally, Queue]:
    queue, tally, dice = Queue(seed), Tally(), random.Random(seed + 1)
    async with Device(queue) as device:
        tested = TcpBus("127.0.0.1", device.port, timeout=TIMEOUT, retries=retries)
        for _ in range(count):
            address, words = dice.randrange(0, 60000), dice.randint(1, most_words)
            try:
                found = await tested.read(1, dice.choice("hi"), address, words)  # type: ignore[arg-type]
            except MeterError:
                tally.failed += 1
                continue
            if found == tuple(range(address, address + words)):
                tally.right += 1
            else:
                tally.wrong += 1
        await tested.close()
    return tally, queue


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, READS // 2), (2, READS // 2), pytest.param(3, 10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
async def test_no_value_is_attributed_to_another_register(seed: int, count: int) -> None:
    tally, queue = await reads(seed, count)
    assert tally.wrong == 0
    assert tally.right > 0.75 * count, "and the retries save most of them"
    assert min(queue.done.values()) > 5, "every flaw has happened"


def let_the_library_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes for the reply is the reply."""
    request = tcp._Connection._request

    async def believed(connection: tcp._Connection, *args: Any) -> Any:
        reply = await request(connection, *args)
        connection._reply = bytes([reply.function_code]) + reply.encode()
        return reply

    monkeypatch.setattr(tcp._Connection, "_request", believed)
    monkeypatch.setattr(tcp._Connection, "_packet", lambda _, __, data: data)


async def test_without_the_guard_some_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same device and seeds; the socket is kept, and the library alone judges what comes back."""
    let_the_library_judge(monkeypatch)
    monkeypatch.setattr(tcp._Connection, "usable", property(lambda self: self._client.connected))
    monkeypatch.setattr(TcpBus, "_drop", lambda _: None)
    tally, _ = await reads(1, READS // 4)
    assert tally.wrong > 0


async def test_closing_the_socket_alone_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubled replies come without any timeout: the judge of every byte is needed as well."""
    let_the_library_judge(monkeypatch)
    tally, _ = await reads(1, READS // 4)
    assert tally.wrong > 0


async def test_judging_every_byte_alone_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that numbers a late reply like the newest question is only stopped by the closed socket."""
    drop = TcpBus._drop

    def drop_unless_silent(tested: TcpBus) -> None:
        if tested._connection is None or not tested._connection.usable:
            drop(tested)

    wrong = 0
    for seed in range(1, 9):  # whether a late reply meets an open question is chance; a busy machine asks fewer
        calm, _ = await reads(seed, READS // 4, retries=0, most_words=1)
        assert calm.wrong == 0
        with monkeypatch.context() as without:
            without.setattr(TcpBus, "_drop", drop_unless_silent)
            tally, _ = await reads(seed, READS // 4, retries=0, most_words=1)
        wrong += tally.wrong
        if wrong:
            break
    assert wrong > 0
