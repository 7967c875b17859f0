"""The line: words from a device, or the reason why not. Turns, retries and rests, the same for every kind of line.

    Bus          what a meter needs of any line
    Connection   what this file needs of a line of one kind: drivers.tcp (Modbus TCP), drivers.rtu_line (RTU)
    LineBus      a Bus on such connections

A question is one of the four of `drivers.question`, so no line can write. Late-reply guard: whatever ends a question
other than its whole answer puts the connection in doubt; it is made sure of (`Connection.recover`) or closed before
anything else is asked. A read that is cancelled closes it.

Times are milliseconds; asyncio's seconds appear only where it is called.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers import question
from drivers.errors import ExceptionReply, Garbled, MeterError, NoReply, Unreachable
from drivers.pace import Pace
from drivers.question import EXCEPTION, DeviceId, Question, Read, ServerId
from mrv.errors import Fault, fault
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
#: Replies in which a device may spread its identification.
_CHAPTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How hard to try. By default: as often as the line's `retries` say, one after the other.

    With several meters on a line the tries of one keep the others waiting; so a round may try everybody once
    (`first`), and those that were silent once more afterwards (`again`).
    """

    first: bool = False
    again: bool = False
    #: No longer than this, in ms (the time a line takes to be sure of itself again comes on top).
    within: int | None = None


ALL = Effort()


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How one unit wants to be asked, where that differs from its line. Times in ms."""

    #: The unit number its replies carry instead.
    answers_as: int | None = None
    #: How long to wait for it, if longer than for the others.
    timeout: int = 0
    #: Silence on the line after its replies.
    turnaround: int = 0
    #: Pause before asking again when it was busy.
    busy: int | None = None
    #: Silence after the line was opened.
    connect_delay: int = 0


_PLAIN = Habit()
Habits = Mapping[int, Habit]


class Bus(Protocol):
    """A line with meters on it. Everything here raises drivers.errors.MeterError, nothing else."""

    async def read(self, unit: int, table: Table, address: int, count: int, *, effort: Effort = ALL) -> tuple[int, ...]:
        """Exactly `count` words from wire address `address`."""

    async def server_id(self, unit: int) -> bytes:
        """What the device says of itself to function 0x11: all bytes behind the byte count."""

    async def device_id(self, unit: int, object: int = 0) -> dict[int, bytes]:
        """Identification objects (0x2B / 0x0E): all basic ones for 0, else the one asked for."""

    async def close(self) -> None:
        """Let go of the line. A read in progress ends as Unreachable; a later read opens the line again."""


class Connection(Protocol):
    """One socket or port. It believes the answer to its question and nothing else."""

    @property
    def usable(self) -> bool:
        """Whether it may be asked."""

    async def open(self, patience: float) -> Fault | None:
        """Open it within `patience` ms, or say why not."""

    async def settle(self, unit: int, asked: Question) -> None:
        """Wait until this question may be asked. Raises MeterError: the line never comes to rest."""

    async def ask(self, unit: int, asked: Question, patience: float) -> bytes:
        """The whole reply PDU, which may be a refusal, within `patience` ms. Raises MeterError."""

    async def recover(self) -> bool:
        """After a question without an answer: whether nothing can come of it any more. False: close it."""

    def close(self) -> None:
        """Close it; a question still open ends as Unreachable."""


class LineBus:
    """A line named `where` in faults; reads take turns. Times in milliseconds.

    A read never takes longer than `budget` (default: connecting, and `retries` + 1 times the longest timeout), and what
    its connection takes to recover. `gap` is kept between an answer and the next question; `habits` are those of units
    that want to be asked differently.
    """

    def __init__(
        self,
        where: str,
        connection: Callable[[], Connection],
        *,
        timeout: int = 1000,
        retries: int = 1,
        budget: int | None = None,
        gap: int = 0,
        habits: Habits | None = None,
    ) -> None:
        self.where = where
        self._make = connection
        self._timeout = timeout
        self._retries = retries
        self._gap = gap
        self._habits = habits or {}
        slowest = max([timeout, *(habit.timeout for habit in self._habits.values())])
        self._budget = budget if budget is not None else slowest * (retries + 2)
        #: Nothing is asked before then.
        self._free_at = 0.0
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._paces: defaultdict[int, Pace] = defaultdict(Pace)
        self._closings = 0
        self._rest = 0
        self._rested_at = 0.0

    async def read(self, unit: int, table: Table, address: int, count: int, *, effort: Effort = ALL) -> tuple[int, ...]:
        return question.words(await self._reply(unit, Read(table, address, count), effort))

    async def server_id(self, unit: int) -> bytes:
        return (await self._reply(unit, ServerId()))[2:]

    async def device_id(self, unit: int, object: int = 0) -> dict[int, bytes]:
        if object:
            return question.objects(await self._reply(unit, DeviceId(4, object)))[0]
        found: dict[int, bytes] = {}
        following: int | None = 0
        for _ in range(_CHAPTERS):
            if following is None:
                break
            more, following = question.objects(await self._reply(unit, DeviceId(1, following)))
            if not more.keys() - found.keys():
                break
            found |= more
        return found

    async def close(self) -> None:
        self._closings += 1
        self._drop()

    async def _reply(self, unit: int, asked: Question, effort: Effort = ALL) -> bytes:
        """The reply PDU of the first try that has one."""
        async with self._turn:
            deadline = _now() + (self._budget if effort.within is None else min(self._budget, effort.within))
            attempts, closings = self._retries - effort.again, self._closings
            hurried = bool(attempts) and not effort.again
            while True:
                try:
                    return await self._attempt(unit, asked, deadline, hurried)
                except MeterError as error:
                    pause = self._pause(unit) if isinstance(error, ExceptionReply) else 0
                    if attempts <= 0 or not _worth_repeating(error, effort) or _now() + pause >= deadline:
                        raise
                attempts, hurried = attempts - 1, False
                await asyncio.sleep(pause / 1000)
                if closings != self._closings:
                    raise Unreachable(fault("meter.line_closed", self.where))

    async def _attempt(self, unit: int, asked: Question, deadline: float, hurried: bool) -> bytes:
        """One question. Whatever ends it other than its answer puts the connection in doubt."""
        certain = False
        try:
            connection = await self._connected(deadline)
            patience = self._patience(deadline, self._habit(unit).timeout)
            await asyncio.sleep(max(0, self._free_at - _now()) / 1000)
            await connection.settle(unit, asked)  # the line's own time, nobody's patience
            began = _now()
            try:
                pdu = await connection.ask(unit, asked, self._paces[unit].patience(patience) if hurried else patience)
                self._paces[unit].answered(_now() - began)
                certain = connection.usable
            except MeterError:
                certain = await connection.recover() and self._connection is connection
                raise
        finally:
            self._free_at = _now() + max(self._gap, self._habit(unit).turnaround)
            if not certain:
                self._drop()
        if pdu[0] & EXCEPTION:
            raise _refusal(f"{self.where} unit {unit}", pdu[1])
        return pdu

    def _habit(self, unit: int) -> Habit:
        return self._habits.get(unit, _PLAIN)

    def _pause(self, unit: int) -> int:
        """How long (ms) to leave a busy meter alone."""
        busy = self._habit(unit).busy
        return BUSY_PAUSE if busy is None else busy

    def _patience(self, deadline: float, least: int = 0) -> float:
        """How long to wait for one thing, in ms."""
        left = deadline - _now()
        if left <= 0:
            raise NoReply(fault("meter.gap_timeout", self.where))
        return min(max(self._timeout, least), left)

    async def _connected(self, deadline: float) -> Connection:
        if self._connection and self._connection.usable:
            return self._connection
        self._drop()
        if _now() < self._rested_at:
            raise _NotOpened(fault("meter.line_resting", self.where))
        connection = self._connection = self._make()
        refused = await connection.open(self._patience(deadline))
        if self._connection is not connection:
            connection.close()
            raise Unreachable(fault("meter.line_closed", self.where))
        if refused:
            self._rest = min(max(2 * self._rest, REST[0]), REST[1])
            self._rested_at = _now() + self._rest
            raise _NotOpened(refused)
        self._rest = 0
        self._free_at = _now() + max([0, *(habit.connect_delay for habit in self._habits.values())])
        return connection

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


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


def _worth_repeating(error: MeterError, effort: Effort) -> bool:
    if isinstance(error, ExceptionReply):
        return error.code in (ACKNOWLEDGE, BUSY)
    if effort.first and isinstance(error, (NoReply, Garbled)):
        return False
    return not isinstance(error, (_NotOpened, _GatewayGotNothing))


def _now() -> float:
    """The loop's monotonic clock in milliseconds."""
    return asyncio.get_running_loop().time() * 1000
