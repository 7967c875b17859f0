"""The line: words from a device, or the reason why not. The home of pymodbus.

    Bus       what a meter needs of any line
    TcpBus    Modbus TCP: one socket, one question at a time

Late-reply guard: the library attaches a reply that comes too late to the question after it. So its own retries are
off, every byte is judged by `drivers.mbap` before it is decoded, and after a timeout, a cancelled read or a byte
that belongs to no question the socket is closed: what is late then arrives nowhere. Transaction numbers go on over
reconnects, for gateways that mix up their clients.

No exception of pymodbus leaves this file. Times are milliseconds; asyncio's seconds appear only where it is called.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from drivers.errors import ExceptionReply, Garbled, MeterError, NoReply, Unreachable
from drivers.mbap import Question, asked, judge
from mrv.errors import fault
from mrv.profile import Table

#: Modbus exceptions (MODBUS Application Protocol V1.1b3, 7).
ACKNOWLEDGE, BUSY, NO_PATH, NO_TARGET = 0x05, 0x06, 0x0A, 0x0B
_EXCEPTIONS = {
    0x01: "meter.exception_function",
    0x02: "meter.exception_address",
    0x03: "meter.exception_value",
    0x04: "meter.exception_failure",
    ACKNOWLEDGE: "meter.exception_busy",
    BUSY: "meter.exception_busy",
}
#: Pause before asking a busy meter again, in ms.
BUSY_PAUSE = 100
#: After a connection could not be opened: rest before the next attempt, doubling from the first to the second, in ms.
REST = (250, 8000)

# What the library logs we raise, with the meter's name on it; its lines would only repeat it without one.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class Bus(Protocol):
    """A line with meters on it."""

    async def read(self, unit: int, table: Table, address: int, count: int) -> tuple[int, ...]:
        """Exactly `count` words from wire address `address`. Raises drivers.errors.MeterError, nothing else."""

    async def close(self) -> None:
        """Let go of the line. A read in progress ends as Unreachable; a later read opens the line again."""


class TcpBus:
    """A Modbus TCP device or gateway at `host`:`port`; reads take turns. Times in milliseconds.

    A read never takes longer than `budget` (default: connecting, and `retries` + 1 times `timeout`).
    """

    def __init__(
        self, host: str, port: int = 502, *, timeout: int = 1000, retries: int = 1, budget: int | None = None
    ) -> None:
        self.where = f"{host}:{port}"
        self._address = (host, port)
        self._timeout = timeout
        self._retries = retries
        self._budget = budget if budget is not None else timeout * (retries + 2)
        self._turn = asyncio.Lock()
        self._connection: _Connection | None = None
        self._transaction = 0
        self._closings = 0
        self._rest = 0
        self._rested_at = 0.0

    async def read(self, unit: int, table: Table, address: int, count: int) -> tuple[int, ...]:
        async with self._turn:
            deadline = _now() + self._budget
            attempts, closings = self._retries, self._closings
            while True:
                try:
                    return await self._attempt(unit, table, address, count, deadline)
                except MeterError as error:
                    pause = BUSY_PAUSE if isinstance(error, ExceptionReply) else 0
                    if not attempts or not _worth_repeating(error) or _now() + pause >= deadline:
                        raise
                attempts -= 1
                await asyncio.sleep(pause / 1000)
                if closings != self._closings:
                    raise Unreachable(fault("meter.line_closed", self.where))

    async def close(self) -> None:
        self._closings += 1
        self._drop()

    async def _attempt(self, unit: int, table: Table, address: int, count: int, deadline: float) -> tuple[int, ...]:
        """One question. Whatever ends it other than its answer closes the socket."""
        answered = False
        try:
            connection = await self._connected(deadline)
            words = await connection.ask(unit, table, address, count, self._patience(deadline))
            answered = not connection.tainted
            return words
        except (ExceptionReply, _GatewayGotNothing):
            answered = True
            raise
        finally:
            if not answered:
                self._drop()

    def _patience(self, deadline: float) -> float:
        """How long to wait for one thing, in ms."""
        left = deadline - _now()
        if left <= 0:
            raise NoReply(fault("meter.gap_timeout", self.where))
        return min(self._timeout, left)

    async def _connected(self, deadline: float) -> _Connection:
        if self._connection and self._connection.usable:
            return self._connection
        self._drop()
        if _now() < self._rested_at:
            raise _NotOpened(fault("meter.line_resting", self.where))
        connection = self._connection = _Connection(self._address, self._transaction)
        opened = await connection.open(self._patience(deadline))
        if self._connection is not connection:
            connection.close()
            raise Unreachable(fault("meter.line_closed", self.where))
        if not opened:
            self._rest = min(max(2 * self._rest, REST[0]), REST[1])
            self._rested_at = _now() + self._rest
            raise _NotOpened(fault("meter.gap_unreachable", self.where))
        self._rest = 0
        return connection

    def _drop(self) -> None:
        if self._connection:
            self._transaction = self._connection.transaction
            self._connection.close()
        self._connection = None


class _Connection:
    """One socket. It believes the answer to its question and nothing else, and is not used again after a doubt."""

    def __init__(self, address: tuple[str, int], transaction: int) -> None:
        self._line = self._where = f"{address[0]}:{address[1]}"
        #: The number of the newest question on this socket.
        self.transaction = transaction
        #: Bytes came that belong to no question.
        self.tainted = False
        self._question: Question | None = None
        self._heard = False
        self._verdict: asyncio.Future[MeterError] = asyncio.get_running_loop().create_future()
        self._client = AsyncModbusTcpClient(
            address[0],
            port=address[1],
            timeout=3600,  # we do the waiting
            retries=0,
            reconnect_delay=0,
            trace_packet=self._packet,
            trace_connect=self._connect,
        )

    @property
    def usable(self) -> bool:
        return self._client.connected and not self.tainted and not self._verdict.done()

    async def open(self, patience: float) -> bool:
        """Whether the socket could be opened within `patience` ms. The library says no more than that."""
        try:
            async with asyncio.timeout(patience / 1000):
                opened = await self._client.connect()
        except (TimeoutError, OSError, UnicodeError):  # UnicodeError: a name no resolver can be asked for
            return False
        self._client.ctx.next_tid = self.transaction
        return opened

    async def ask(self, unit: int, table: Table, address: int, count: int, patience: float) -> tuple[int, ...]:
        """The words, or the MeterError that the device, the line or the time gave."""
        self._heard = False
        self._where = f"{self._line} unit {unit}"
        request = asyncio.ensure_future(self._request(unit, table, address, count))
        request.add_done_callback(_seen)
        waiting: tuple[asyncio.Future[Any], ...] = (request, self._verdict)
        try:
            await asyncio.wait(waiting, timeout=patience / 1000, return_when=asyncio.FIRST_COMPLETED)
            if request.done():
                return request.result()
            if self._verdict.done():
                raise self._verdict.result()
            raise self._silence()
        finally:
            self._question = None
            request.cancel()

    def _silence(self) -> MeterError:
        if self._heard:
            return Garbled(fault("meter.garbled", self._where, flaw="incomplete", bytes=""))
        return NoReply(fault("meter.gap_timeout", self._where))

    def close(self) -> None:
        """Close the socket; a question still open ends as Unreachable."""
        self._condemn(Unreachable(fault("meter.gap_unreachable", self._line)))
        self._client.close()

    async def _request(self, unit: int, table: Table, address: int, count: int) -> tuple[int, ...]:
        read = self._client.read_holding_registers if table == "h" else self._client.read_input_registers
        try:
            reply = await read(address, count=count, device_id=unit)
        except (ModbusException, OSError) as error:
            raise Unreachable(fault("meter.gap_unreachable", self._line)) from error
        if reply.isError():
            raise _refusal(self._where, reply.exception_code)
        return tuple(reply.registers)

    def _packet(self, sending: bool, data: bytes) -> bytes:
        """Called by the library with every packet: notes the question, and hands on only what is its answer."""
        if sending:
            self._question = asked(data)
            self.transaction = self._question.transaction
            return data
        if self._question is None:
            self.tainted = True
            return b""
        self._heard = True
        verdict = judge(self._question, data)
        if verdict.flaw:
            self._condemn(Garbled(fault("meter.garbled", self._where, flaw=verdict.flaw, bytes=data[:16].hex())))
        if verdict.size:
            self._question = None
            self.tainted = len(data) > verdict.size
        return data[: verdict.size]

    def _connect(self, connected: bool) -> None:
        if not connected:
            self._condemn(Unreachable(fault("meter.line_dropped", self._where)))

    def _condemn(self, error: MeterError) -> None:
        if not self._verdict.done():
            self._verdict.set_result(error)


class _NotOpened(Unreachable):
    """Trying again within the same slot would only cost time."""


class _GatewayGotNothing(NoReply):
    """The gateway has waited for the meter already."""


def _refusal(where: str, code: int) -> MeterError:
    """A gateway that got nothing from the meter, or the meter's own exception."""
    spelled = f"0x{code:02X}"
    if code in (NO_PATH, NO_TARGET):
        return _GatewayGotNothing(fault("meter.gateway_got_nothing", where, exception=spelled))
    text = _EXCEPTIONS.get(code, "meter.exception_other")
    return ExceptionReply(fault(text, where, exception=spelled), code)


def _worth_repeating(error: MeterError) -> bool:
    if isinstance(error, ExceptionReply):
        return error.code in (ACKNOWLEDGE, BUSY)
    return not isinstance(error, (_NotOpened, _GatewayGotNothing))


def _seen(request: asyncio.Future[Any]) -> None:
    """Take note of how an abandoned request ended, or asyncio will complain that nobody did."""
    if not request.cancelled():
        request.exception()


def _now() -> float:
    """The loop's monotonic clock in milliseconds."""
    return asyncio.get_running_loop().time() * 1000
