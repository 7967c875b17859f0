"""What a device, a gateway or a cable can do to a read: the right words or the right reason, never anything else."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from modbus_device import Device, Request, Script, honest, ramp

from drivers import bus as line
from drivers import tcp
from drivers.errors import ExceptionReply, Garbled, MeterError, NoReply, Unreachable
from drivers.tcp import TcpBus
from mrv.messages import next_step, what
from mrv.reading import GapReason

#: How long (ms) the line waits for a device that is meant to stay silent, and for one that is not.
TIMEOUT, PATIENCE = 150, 3000


@pytest.fixture(autouse=True)
async def nothing_escapes() -> AsyncIterator[None]:
    """No callback may end in asyncio's exception handler: that is where a foreign exception would show."""
    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    yield
    await asyncio.sleep(0)
    assert seen == []


def bus(device: Device, **options: int) -> TcpBus:
    return TcpBus("127.0.0.1", device.port, **{"timeout": PATIENCE, "retries": 0, **options})


async def failing(device: Device, kind: type[MeterError], **options: int) -> MeterError:
    tested = bus(device, **{"timeout": TIMEOUT, **options})
    with pytest.raises(kind) as caught:
        await tested.read(7, "i", 100, 4)
    await tested.close()
    (fault,) = caught.value.faults
    assert fault.where == f"127.0.0.1:{device.port} unit 7"
    assert what(fault) != fault.code
    assert next_step(fault)
    assert next_step(fault, "vi") != next_step(fault, "en")
    assert "{" not in what(fault) + what(fault, "vi") + next_step(fault)
    return caught.value


async def test_the_words_asked_for() -> None:
    async with Device(honest) as device:
        tested = bus(device)
        assert await tested.read(7, "i", 100, 4) == (100, 101, 102, 103)
        assert await tested.read(9, "h", 0, 125) == tuple(range(125))
        assert await tested.read(0, "h", 65535, 1) == (65535,)
        await tested.close()
    assert [(r.unit, r.function, r.count) for r in device.requests] == [(7, 4, 4), (9, 3, 125), (0, 3, 1)]
    assert device.connections == 1
    assert len({request.transaction for request in device.requests}) == 3


async def test_an_answer_in_single_bytes() -> None:
    async def script(_: Device, request: Request) -> None:
        for byte in request.answer(ramp(request)):
            await request.send(bytes([byte]))
            await asyncio.sleep(0)

    async with Device(script) as device:
        tested = bus(device)
        assert await tested.read(7, "h", 5, 20) == tuple(range(5, 25))
        await tested.close()


async def silent(_: Device, __: Request) -> None:
    """A dead meter."""


async def test_a_dead_meter() -> None:
    async with Device(silent) as device:
        began = asyncio.get_running_loop().time()
        error = await failing(device, NoReply, retries=2)
        took = asyncio.get_running_loop().time() - began
    assert error.reason is GapReason.TIMEOUT
    assert len(device.requests) == 3
    assert device.connections == 3, "after silence the socket is not used again"
    assert 3 * TIMEOUT <= took * 1000 < 3 * TIMEOUT + 1000


@pytest.mark.parametrize("code", [*range(0x0D), 0x10, 0x80, 0xFF])
async def test_every_exception_code(code: int) -> None:
    async def script(_: Device, request: Request) -> None:
        await request.send(request.refusal(code))

    async with Device(script) as device:
        behind = code in (0x0A, 0x0B)
        error = await failing(device, NoReply if behind else ExceptionReply, retries=0)
        assert error.reason is (GapReason.TIMEOUT if behind else GapReason.EXCEPTION)
        assert f"0x{code:02X}" in what(error.faults[0])


@pytest.mark.parametrize(("code", "asked"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 3), (6, 3), (8, 1), (10, 1), (11, 1)])
async def test_only_a_busy_meter_is_asked_again(code: int, asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "BUSY_PAUSE", 1)

    async def script(_: Device, request: Request) -> None:
        await request.send(request.refusal(code))

    async with Device(script) as device:
        await failing(device, MeterError, retries=2)
        assert len(device.requests) == asked
        assert device.connections == 1, "an exception is a proper answer: the connection stays"


async def test_a_busy_meter_that_answers_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "BUSY_PAUSE", 1)

    async def script(device: Device, request: Request) -> None:
        await request.send(request.refusal(6) if len(device.requests) < 3 else request.answer(ramp(request)))

    async with Device(script) as device:
        tested = bus(device, retries=2)
        assert await tested.read(1, "i", 8, 2) == (8, 9)
        await tested.close()


def wrong(make: Callable[[Request], bytes]) -> Script:
    async def script(_: Device, request: Request) -> None:
        await request.send(make(request))

    return script


GARBLED: dict[str, Callable[[Request], bytes]] = {
    "short": lambda r: r.answer(ramp(r)[:-1]),
    "long": lambda r: r.answer([*ramp(r), 0]),
    "empty": lambda r: r.answer([]),
    "incomplete": lambda r: r.answer(ramp(r))[:-1],
    "header only": lambda r: r.answer(ramp(r))[:6],
    "one byte": lambda r: r.answer(ramp(r))[:1],
    "byte count that lies": lambda r: r.frame_of(bytes([4, 6]) + bytes(8)),
    "wrong unit": lambda r: r.answer(ramp(r), unit=8),
    "unit 0": lambda r: r.answer(ramp(r), unit=0),
    "wrong transaction": lambda r: r.answer(ramp(r), transaction=r.transaction + 1),
    "transaction 0": lambda r: r.answer(ramp(r), transaction=0),
    "wrong protocol": lambda r: r.answer(ramp(r), protocol=1),
    "wrong function": lambda r: r.answer(ramp(r), function=3),
    "unknown function": lambda r: r.answer(ramp(r), function=0x2B),
    "exception of another function": lambda r: r.frame_of(bytes([0x83, 2])),
    "exception without a code": lambda r: r.frame_of(bytes([0x84])),
    "echo of the request": lambda r: r.frame,
    "a web page": lambda _: b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n",
    "RTU instead of TCP": lambda r: bytes.fromhex("07 04 08 0064 0065 0066 0067 abcd"),
    "length 0": lambda r: r.frame[:4] + bytes(2) + bytes([7, 4]),
    "length 65535": lambda r: r.frame[:4] + b"\xff\xff" + bytes([7, 4]) + bytes(200),
}


@pytest.mark.parametrize("flaw", GARBLED)
async def test_an_answer_to_no_question_of_ours(flaw: str) -> None:
    async with Device(wrong(GARBLED[flaw])) as device:
        error = await failing(device, Garbled)
        assert error.reason is GapReason.GARBLED
        assert error.raw is None


@pytest.mark.parametrize("flaw", sorted(set(GARBLED) - {"incomplete", "header only", "one byte", "length 0"}))
async def test_a_wrong_answer_is_known_at_once(flaw: str) -> None:
    """Not only when the time is over: the retry still fits the slot."""
    async with Device(wrong(GARBLED[flaw])) as device:
        began = asyncio.get_running_loop().time()
        await failing(device, Garbled, timeout=5000)
        assert asyncio.get_running_loop().time() - began < 1


@pytest.mark.parametrize("flaw", GARBLED)
async def test_a_retry_after_a_wrong_answer_asks_on_a_new_connection(flaw: str) -> None:
    async def script(device: Device, request: Request) -> None:
        first = len(device.requests) == 1
        await request.send(GARBLED[flaw](request) if first else request.answer(ramp(request)))

    async with Device(script) as device:
        tested = bus(device, timeout=300, retries=1)
        assert await tested.read(7, "i", 100, 4) == (100, 101, 102, 103)
        await tested.close()
        assert device.connections == 2


async def test_more_garbage_than_any_frame_is_long() -> None:
    async with Device(wrong(lambda r: b"\xaa" * 5000)) as device:
        await failing(device, MeterError)


async def test_a_duplicate_in_the_same_packet_is_not_the_next_answer() -> None:
    async def script(_: Device, request: Request) -> None:
        await request.send(request.answer(ramp(request)) * 2)

    async with Device(script) as device:
        tested = bus(device)
        for address in range(0, 50, 5):
            assert await tested.read(7, "i", address, 2) == (address, address + 1)
        await tested.close()


@pytest.mark.parametrize("transaction", [None, 0], ids=["own number", "number 0"])
@pytest.mark.parametrize("pause", [0, 0.01], ids=["at once", "between requests"])
async def test_a_duplicate_that_comes_later_is_not_the_next_answer(pause: float, transaction: int | None) -> None:
    async def script(_: Device, request: Request) -> None:
        await request.send(request.answer(ramp(request)))
        await asyncio.sleep(pause)
        await request.send(request.answer(ramp(request), transaction=transaction))

    async with Device(script) as device:
        tested = bus(device, retries=3)
        for address in range(0, 50, 5):
            assert await tested.read(7, "i", address, 2) == (address, address + 1)
            await asyncio.sleep(pause / 2)
        await tested.close()


async def test_a_late_reply_arrives_nowhere() -> None:
    async def script(device: Device, request: Request) -> None:
        if len(device.requests) == 1:
            await asyncio.sleep(0.36)
            await request.send(request.answer(ramp(request), transaction=device.requests[-1].transaction))
        else:
            await asyncio.sleep(0.12)
            await request.send(request.answer(ramp(request)))

    async with Device(script) as device:
        tested = bus(device, timeout=300)
        with pytest.raises(NoReply):
            await tested.read(7, "i", 0, 2)
        assert await tested.read(7, "i", 100, 2) == (100, 101)
        await tested.close()


async def test_transaction_numbers_go_on_over_connections() -> None:
    async with Device(silent) as device:
        await failing(device, NoReply, retries=2)
        numbers = [request.transaction for request in device.requests]
    assert len(set(numbers)) == 3


async def test_transaction_numbers_start_again_before_they_overflow() -> None:
    async with Device(honest) as device:
        tested = bus(device)
        tested._transaction = 64999
        for address in range(4):
            assert await tested.read(7, "i", address, 1) == (address,)
        await tested.close()
        assert [request.transaction for request in device.requests] == [65000, 1, 2, 3]


@pytest.mark.parametrize("how", ["hang_up", "reset"])
@pytest.mark.parametrize("sent", [0, 5, 10])
async def test_a_connection_dropped_during_the_reply(how: str, sent: int) -> None:
    async def script(_: Device, request: Request) -> None:
        await request.send(request.answer(ramp(request))[:sent])
        getattr(request, how)()

    async with Device(script) as device:
        began = asyncio.get_running_loop().time()
        error = await failing(device, Unreachable, timeout=5000, retries=1)
        assert asyncio.get_running_loop().time() - began < 1
        assert error.reason is GapReason.UNREACHABLE
        assert device.connections == 2


@pytest.mark.parametrize("how", ["hang_up", "reset"])
async def test_a_connection_dropped_between_requests(how: str) -> None:
    async def script(_: Device, request: Request) -> None:
        await request.send(request.answer(ramp(request)))
        getattr(request, how)()

    async with Device(script) as device:
        tested = bus(device, retries=1)
        for address in range(5):
            assert await tested.read(7, "i", address, 2) == (address, address + 1)
            await asyncio.sleep(0.005)
        await tested.close()


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "host.invalid", "a..b", "::1"])
async def test_nobody_there(host: str) -> None:
    tested = TcpBus(host, unused_port(), timeout=2000)
    with pytest.raises(Unreachable) as caught:
        await tested.read(1, "h", 0, 1)
    assert caught.value.reason is GapReason.UNREACHABLE
    assert next_step(caught.value.faults[0])


async def test_rest_after_a_refused_connection_then_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "REST", (400, 800))
    tested = TcpBus("127.0.0.1", port := unused_port(), timeout=PATIENCE)
    codes = []
    for _ in range(2):
        with pytest.raises(Unreachable) as caught:
            await tested.read(1, "h", 0, 1)
        codes.append(caught.value.faults[0].code)
    assert codes == ["meter.gap_unreachable", "meter.line_resting"]
    async with Device(honest, port) as device:
        await asyncio.sleep(0.45)
        assert await tested.read(1, "h", 7, 1) == (7,)
        await tested.close()
        assert device.connections == 1


async def test_rest_grows_to_its_limit_and_ends_with_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "REST", (1, 4))
    tested = TcpBus("127.0.0.1", port := unused_port(), timeout=PATIENCE)
    rests = []
    for _ in range(4):
        with pytest.raises(Unreachable):
            await tested.read(1, "h", 0, 1)
        rests.append(tested._rest)
        await asyncio.sleep(0.01)
    assert rests == [1, 2, 4, 4]
    async with Device(honest, port):
        await tested.read(1, "h", 7, 1)
        await tested.close()
    assert tested._rest == 0


async def test_a_host_that_swallows_the_connection_costs_the_timeout_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_: object) -> bool:
        await asyncio.sleep(60)
        return True

    monkeypatch.setattr(tcp.AsyncModbusTcpClient, "connect", never)
    tested = TcpBus("192.0.2.1", timeout=300, retries=3)
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unreachable):
        await tested.read(1, "h", 0, 1)
    assert asyncio.get_running_loop().time() - began < 0.9


async def test_the_budget_ends_all_retries() -> None:
    async with Device(silent) as device:
        began = asyncio.get_running_loop().time()
        await failing(device, NoReply, retries=50, budget=100)
        assert asyncio.get_running_loop().time() - began < 1


async def test_a_cancelled_read_leaves_nothing_behind() -> None:
    cancelled = asyncio.Event()

    async def script(device: Device, request: Request) -> None:
        if len(device.requests) == 1:
            await cancelled.wait()
        await request.send(request.answer(ramp(request), transaction=device.requests[-1].transaction))

    async with Device(script) as device:
        tested = bus(device)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await tested.read(7, "i", 0, 2)
        cancelled.set()
        assert await tested.read(7, "i", 100, 2) == (100, 101)
        assert device.connections == 2
        await tested.close()


async def test_closing_ends_a_read_and_a_later_read_opens_again() -> None:
    arrived = asyncio.Event()

    async def script(device: Device, request: Request) -> None:
        arrived.set()
        if len(device.requests) > 1:
            await request.send(request.answer(ramp(request)))

    async with Device(script) as device:
        tested = bus(device, retries=3)
        reading = asyncio.ensure_future(tested.read(7, "i", 0, 2))
        await arrived.wait()
        await tested.close()
        with pytest.raises(Unreachable):
            await reading
        assert await tested.read(7, "i", 3, 2) == (3, 4)
        await tested.close()


async def test_closing_while_the_line_is_being_opened() -> None:
    async with Device(honest) as device:
        tested = bus(device, retries=3)
        reading = asyncio.ensure_future(tested.read(7, "i", 0, 2))
        await asyncio.sleep(0)
        await tested.close()
        with pytest.raises(Unreachable):
            await reading
        assert device.requests == []
        assert await tested.read(7, "i", 3, 2) == (3, 4)
        await tested.close()


async def test_closing_while_a_busy_meter_is_waited_for() -> None:
    async def script(device: Device, request: Request) -> None:
        await request.send(request.refusal(6))

    async with Device(script) as device:
        tested = bus(device, retries=3)
        reading = asyncio.ensure_future(tested.read(7, "i", 0, 2))
        await asyncio.sleep(line.BUSY_PAUSE / 2000)
        await tested.close()
        with pytest.raises(Unreachable):
            await reading
        assert len(device.requests) == 1


async def test_reads_take_turns() -> None:
    async def script(device: Device, request: Request) -> None:
        assert request is device.requests[-1], "a second question before the first answer"
        await asyncio.sleep(0.002)
        await request.send(request.answer(ramp(request)))

    async with Device(script) as device:
        tested = bus(device)
        reads: list[Awaitable[tuple[int, ...]]] = [tested.read(7, "i", address, 1) for address in range(8)]
        assert await asyncio.gather(*reads) == [(address,) for address in range(8)]
        assert device.connections == 1
        await tested.close()


async def test_whatever_comes_back_the_reason_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutated answers, fixed seeds: the words that were asked for, or a MeterError; nothing else ever comes out."""
    monkeypatch.setattr(line, "REST", (0, 0))  # a busy machine may be slow to connect
    dice = random.Random(7)

    def mutated(request: Request) -> bytes:
        frame = bytearray(request.answer(ramp(request)))
        for _ in range(dice.randint(0, 3)):
            frame[dice.randrange(9)] = dice.randrange(256)
        if dice.random() < 0.3:
            return bytes(frame[: dice.randint(1, len(frame))])
        return bytes(frame) + dice.randbytes(dice.choice([0, 0, 3]))

    outcomes = {"words": 0, "error": 0}
    async with Device(wrong(mutated)) as device:
        tested = bus(device, timeout=100)
        for _ in range(200):
            try:
                assert await tested.read(7, "i", 100, 2) == (100, 101)
                outcomes["words"] += 1
            except MeterError:
                outcomes["error"] += 1
        await tested.close()
    assert min(outcomes.values()) > 20
    assert {request.function for request in device.requests} == {4}
