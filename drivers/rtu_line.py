"""Modbus RTU: over a serial port of this machine, or through a serial server (RTU over TCP).

Late-reply guard: nothing in a frame says which question it answers. So a question is only asked on a line that is
known to be quiet. After silence, a wrong answer, bytes nobody asked for, a cancelled read or opening the line, it is
listened to, and everything heard thrown away, until nothing has come for as long as the slowest device may be late
(`late`). Reopening alone would not do: what is late then arrives at the new socket or the reopened port.

Every byte is judged by `drivers.rtu`. Times are milliseconds; asyncio's seconds appear only where it is called.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from drivers.bus import Habits, LineBus
from drivers.errors import Garbled, MeterError, NoReply, Unreachable
from drivers.port import SerialPort
from drivers.question import EXCEPTION, Question, Read
from drivers.rtu import LONGEST, Asked, Timing, frame, frames, judge
from mrv.errors import Fault, fault

#: A line is given up as never quiet after this many times `late`.
_NEVER = 5
#: Two meters with one number answer one after the other, and the second answer would fit a next question of the same
#: shape. Such a question waits until the line has been quiet for so long (ms).
_TWIN = 100
#: Rounds of the event loop until everything that has arrived is delivered: one to find it, one to hand it over.
_LOOKS = 2


class Transport(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None: ...
    def is_closing(self) -> bool: ...
    def close(self) -> None: ...


Opener = Callable[[asyncio.Protocol], Awaitable[Transport]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How to behave on a line. Times in ms; `late` and `gap` as in drivers.wiring.

    `after`: how long to listen on behind a whole answer, for a second meter that answers the same question.
    """

    timing: Timing
    late: int = 1000
    gap: int = 0
    after: int = 0

    @property
    def silence(self) -> float:
        """Between a reply and the next question."""
        return max(self.gap, self.timing.silence)


class RtuBus(LineBus):
    """Meters on a serial line named `where`, behind `opener`. Raises like every Bus."""

    def __init__(
        self,
        where: str,
        opener: Opener,
        manners: Manners,
        *,
        timeout: int = 1000,
        retries: int = 1,
        habits: Habits | None = None,
    ) -> None:
        slowest = max([timeout, *(habit.timeout for habit in (habits or {}).values())])
        one = slowest + manners.late + manners.timing.wire(2 * LONGEST)
        budget = int((retries + 2) * one)
        super().__init__(where, self._connect, timeout=timeout, retries=retries, budget=budget, habits=habits)
        #: The adapter hears itself: its own questions come back, and are taken off.
        self.echoes = False
        #: How often bytes came that belong to no question: late replies, or a second meter with the same id.
        self.strays = 0
        #: Units whose question was answered twice within `Manners.after`: two meters have this number.
        self.doubled: set[int] = set()
        self._opener, self._manners = opener, manners

    def _connect(self) -> _Connection:
        return _Connection(self, self._opener, self._manners, {u: h.answers_as for u, h in self._habits.items()})


def serial_opener(port: str, timing: Timing) -> Opener:
    """Opens the serial port named `port`."""

    async def opened(protocol: asyncio.Protocol) -> Transport:
        return SerialPort(port, baud=timing.baud, parity=timing.parity, stop=timing.stop, protocol=protocol)

    return opened


def tcp_opener(host: str, port: int) -> Opener:
    """Opens a socket to a serial server."""

    async def opened(protocol: asyncio.Protocol) -> Transport:
        return (await asyncio.get_running_loop().create_connection(lambda: protocol, host, port))[0]

    return opened


_REFUSED = {
    errno.ENOENT: "meter.port_missing",
    errno.ENODEV: "meter.port_missing",
    errno.ENXIO: "meter.port_missing",
    errno.EIO: "meter.port_missing",
    errno.EACCES: "meter.port_forbidden",
    errno.EPERM: "meter.port_forbidden",
    errno.EBUSY: "meter.port_in_use",
    errno.EAGAIN: "meter.port_in_use",
    errno.ENOTTY: "meter.port_no_port",
}


def why_not(error: OSError, where: str) -> Fault:
    """Why a line could not be opened."""
    return fault(_REFUSED.get(error.errno or 0, "meter.gap_unreachable"), where)


class _Connection(asyncio.Protocol):
    """One open port or socket."""

    def __init__(self, bus: RtuBus, opener: Opener, manners: Manners, answers_as: Mapping[int, int | None]) -> None:
        self._bus, self._opener, self._manners = bus, opener, manners
        self._answers_as = answers_as
        self._transport: Transport | None = None
        self._lost: MeterError | None = None
        #: Something may still come that belongs to no question.
        self._doubt = True
        self._asked: Asked | None = None
        self._buffer = b""
        #: The shape of the question answered last.
        self._answered: tuple[object, ...] = ()
        self._heard_at = _now()
        self._news = asyncio.Event()

    # -- what the transport says ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard_at = _now()
        if self._asked is None:
            self._bus.strays += 1
            self._doubt = True
        else:
            self._buffer += data
        self._news.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._lost = self._lost or Unreachable(fault("meter.line_dropped", self._bus.where))
        self._news.set()

    # -- what a LineBus asks ----------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        return self._transport is not None and self._lost is None and not self._transport.is_closing()

    async def open(self, patience: float) -> Fault | None:
        try:
            async with asyncio.timeout(patience / 1000):
                transport = await self._opener(self)
        except OSError as error:
            return why_not(error, self._bus.where)
        except (TimeoutError, UnicodeError):  # UnicodeError: a name no resolver can be asked for
            return fault("meter.gap_unreachable", self._bus.where)
        if self._lost:
            transport.close()
            return self._lost.faults[0]
        self._transport, self._heard_at = transport, _now()
        return None

    async def settle(self, unit: int, asked: Question) -> None:
        twin = self._answered == _shape(unit, asked)
        await self._settle(max(self._manners.silence, _TWIN) if twin else self._manners.silence)

    async def ask(self, unit: int, asked: Question, patience: float) -> bytes:
        other = self._answers_as.get(unit)
        about = Asked(unit if other is None else other, asked, frame(unit, asked.pdu))
        self._buffer, self._asked, self._doubt = b"", about, True
        self._write(about.sent)
        try:
            reply = await self._answer(about, patience, f"{self._bus.where} unit {unit}")
            await self._second(unit, about)
            self._answered = _shape(unit, asked)
            return reply
        finally:
            self._asked, self._heard_at = None, _now()

    async def recover(self) -> bool:
        try:
            await self._settle(self._manners.silence)
        except MeterError:
            return False
        return True

    def close(self) -> None:
        self._lost = self._lost or Unreachable(fault("meter.line_closed", self._bus.where))
        self._news.set()
        if self._transport:
            self._transport.close()

    # -- how --------------------------------------------------------------------------------------------------

    async def _settle(self, silence: float) -> None:
        """Until nothing can come any more, and `silence` ms have passed since the last byte."""
        while True:
            await _look()
            if self._doubt:
                self._doubt = False
                if not await self._quiet(self._manners.late):
                    self._doubt = True
                    raise self._lost or Garbled(fault("meter.line_never_quiet", self._bus.where))
            if await self._quiet(silence) and not self._doubt:
                return
            if self._lost:
                raise self._lost

    def _write(self, data: bytes) -> None:
        if self._lost:
            raise self._lost
        if self._transport:
            self._transport.write(data)

    async def _answer(self, about: Asked, patience: float, where: str) -> bytes:
        """The reply PDU; `patience` counts from when the question is out to when the answer begins."""
        timing = self._manners.timing
        begin = _now() + timing.wire(len(about.sent)) + patience
        end = begin + timing.wire(LONGEST)
        while True:
            verdict = judge(about, self._buffer)
            if verdict.size:
                self._bus.echoes |= bool(verdict.echo)
                self._doubt = len(self._buffer) > verdict.size
                self._bus.strays += self._doubt
                return self._buffer[verdict.echo + 1 : verdict.size - 2]
            if verdict.flaw:
                raise Garbled(fault("meter.garbled", where, flaw=verdict.flaw, bytes=self._buffer[:16].hex()))
            if self._lost:
                raise self._lost
            heard = self._buffer not in (b"", about.sent)
            if _now() >= (end if heard else begin):
                raise self._silence(where, heard)
            await self._news_until(end if heard else begin)

    async def _second(self, unit: int, about: Asked) -> None:
        """Listen on behind the answer. One more whole answer to the same question is another meter's.

        Such an answer is accounted for, so it puts the line in no doubt.
        """
        if not self._manners.after:
            return
        size = judge(about, self._buffer).size
        await self._quiet(self._manners.after)
        behind = self._buffer[size:]
        more = [one for one in frames(behind) if _answers(about, one)]
        self._bus.strays += bool(behind) and not self._doubt
        self._doubt = len(behind) > sum(map(len, more))
        if more:
            self._bus.doubled.add(unit)

    @staticmethod
    def _silence(where: str, heard: bool) -> MeterError:
        if heard:
            return Garbled(fault("meter.garbled", where, flaw="incomplete", bytes=""))
        return NoReply(fault("meter.gap_timeout", where))

    async def _quiet(self, silence: float) -> bool:
        """Listen until nothing has come for `silence` ms; False: it never was, or the line is lost."""
        give_up = _now() + max(_NEVER * silence, 1000)
        while (end := self._heard_at + silence) > _now():
            await self._news_until(min(end, give_up))
            if self._lost or _now() >= give_up:
                return False
        return self._lost is None

    async def _news_until(self, end: float) -> None:
        """Until something comes or `end`; on a busy machine also what had come by then and was not looked at."""
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0, end - _now()) / 1000):
                await self._news.wait()
            return
        await _look()


async def _look() -> None:
    """Let the loop hand over what has arrived, before time is said to be over."""
    for _ in range(_LOOKS):
        await asyncio.sleep(0)


def _shape(unit: int, asked: Question) -> tuple[object, ...]:
    """What two questions have in common when one's answer could pass for the other's."""
    return (unit, asked.function, asked.count if isinstance(asked, Read) else asked)


def _answers(about: Asked, frame: bytes) -> bool:
    """Whether a whole frame is an answer or a refusal to the question."""
    return frame[0] == about.unit and frame[1] & ~EXCEPTION == about.question.function


def _now() -> float:
    """The loop's monotonic clock in milliseconds."""
    return asyncio.get_running_loop().time() * 1000
