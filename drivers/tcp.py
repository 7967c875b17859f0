"""Modbus TCP: one socket, one question at a time. The home of pymodbus.

The library attaches a reply that comes too late to the question after it. So its own retries are off, every byte is
judged by `drivers.mbap` before it is decoded, and after a timeout, a cancelled read or a byte that belongs to no
question the socket is closed: what is late then arrives nowhere. Transaction numbers go on over reconnects, for
gateways that mix up their clients. What it is about to send is read back and sent only if it is one of the four
questions of `drivers.question`.

No exception of pymodbus leaves this file. Times are milliseconds; asyncio's seconds appear only where it is called.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.bus import Habits, LineBus
from drivers.errors import Garbled, MeterError, NoReply, Unreachable
from drivers.mbap import HEADER, Asked, asked, judge
from drivers.question import Question, Read, ServerId
from mrv.errors import Fault, fault

# What the library logs we raise, with the meter's name on it; its lines would only repeat it without one.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class TcpBus(LineBus):
    """A Modbus TCP device or gateway at `host`:`port`. Times in milliseconds.

    The other arguments are those of LineBus.
    """

    def __init__(
        self,
        host: str,
        port: int = 502,
        *,
        timeout: int = 1000,
        retries: int = 1,
        budget: int | None = None,
        gap: int = 0,
        habits: Habits | None = None,
    ) -> None:
        where = f"{host}:{port}"
        super().__init__(where, self._connect, timeout=timeout, retries=retries, budget=budget, gap=gap, habits=habits)
        self._address = (host, port)
        self._transaction = 0

    def _connect(self) -> _Connection:
        return _Connection(self._address, self._transaction, {u: h.answers_as for u, h in self._habits.items()})

    def _drop(self) -> None:
        if isinstance(self._connection, _Connection):
            self._transaction = self._connection.transaction
        super()._drop()


class _Connection:
    """One socket. It believes the answer to its question and nothing else, and is not used again after a doubt."""

    def __init__(self, address: tuple[str, int], transaction: int, answers_as: Mapping[int, int | None]) -> None:
        self._line = self._where = f"{address[0]}:{address[1]}"
        #: The number of the newest question on this socket.
        self.transaction = transaction
        #: Bytes came that belong to no question.
        self.tainted = False
        self._answers_as = answers_as
        self._asked: Asked | None = None
        self._reply = b""
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

    async def open(self, patience: float) -> Fault | None:
        """The library does not say why it could not open the socket."""
        try:
            async with asyncio.timeout(patience / 1000):
                opened = await self._client.connect()
        except (TimeoutError, OSError, UnicodeError):  # UnicodeError: a name no resolver can be asked for
            opened = False
        self._client.ctx.next_tid = self.transaction
        return None if opened else fault("meter.gap_unreachable", self._line)

    async def settle(self, _: int, __: Question) -> None:
        """Nothing else can be on a socket that was not closed."""

    async def ask(self, unit: int, asked: Question, patience: float) -> bytes:
        """The reply PDU, or the MeterError that the line or the time gave."""
        self._heard, self._reply = False, b""
        self._where = f"{self._line} unit {unit}"
        request = asyncio.ensure_future(self._request(unit, asked))
        request.add_done_callback(_seen)
        waiting: tuple[asyncio.Future[Any], ...] = (request, self._verdict)
        try:
            await asyncio.wait(waiting, timeout=patience / 1000, return_when=asyncio.FIRST_COMPLETED)
            if request.done():
                request.result()
                return self._reply
            if self._verdict.done():
                raise self._verdict.result()
            raise self._silence()
        finally:
            self._asked = None
            request.cancel()

    async def recover(self) -> bool:
        """A closed socket is the surest way not to hear a late reply."""
        return False

    def _silence(self) -> MeterError:
        if self._heard:
            return Garbled(fault("meter.garbled", self._where, flaw="incomplete", bytes=""))
        return NoReply(fault("meter.gap_timeout", self._where))

    def close(self) -> None:
        self._condemn(Unreachable(fault("meter.gap_unreachable", self._line)))
        self._client.close()

    async def _request(self, unit: int, asked: Question) -> ModbusPDU:
        """What the library makes of the reply. That it could is enough: we decode what we judged."""
        client = self._client
        try:
            if isinstance(asked, Read):
                read = client.read_holding_registers if asked.table == "h" else client.read_input_registers
                return await read(asked.address, count=asked.count, device_id=unit)
            if isinstance(asked, ServerId):
                return await client.report_device_id(device_id=unit)
            return await client.read_device_information(read_code=asked.code, object_id=asked.first, device_id=unit)
        except (ModbusException, OSError) as error:
            raise Unreachable(fault("meter.gap_unreachable", self._line)) from error

    def _packet(self, sending: bool, data: bytes) -> bytes:
        """Called by the library with every packet: notes the question, and hands on only what is its answer."""
        if sending:
            return self._sent(data)
        if self._asked is None:
            self.tainted = True
            return b""
        self._heard = True
        verdict = judge(self._asked, data)
        if verdict.flaw:
            self._condemn(Garbled(fault("meter.garbled", self._where, flaw=verdict.flaw, bytes=data[:16].hex())))
        if not verdict.size:
            return b""
        self._asked = None
        self.tainted = len(data) > verdict.size
        self._reply = data[HEADER : verdict.size]
        return data[: HEADER - 1] + bytes([self._unit]) + self._reply

    def _sent(self, data: bytes) -> bytes:
        question = asked(data)
        if question is None:
            raise ModbusException("not a question a line may ask")
        self.transaction, self._unit = question.transaction, question.unit
        other = self._answers_as.get(question.unit)
        self._asked = question if other is None else replace(question, unit=other)
        return data

    def _connect(self, connected: bool) -> None:
        if not connected:
            self._condemn(Unreachable(fault("meter.line_dropped", self._where)))

    def _condemn(self, error: MeterError) -> None:
        if not self._verdict.done():
            self._verdict.set_result(error)


def _seen(request: asyncio.Future[Any]) -> None:
    """Take note of how an abandoned request ended, or asyncio will complain that nobody did."""
    if not request.cancelled():
        request.exception()
