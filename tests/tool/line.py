"""A line with meters on it that is all in memory: what each id answers at which speed, and everything ever asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.errors import ExceptionReply, Garbled, MeterError, NoReply, Unreachable
from drivers.scan_plan import Speed
from mrv.errors import fault
from mrv.profile import Table

Words = Mapping[tuple[Table, int], int]


def refusal(code: int = 2) -> ExceptionReply:
    return ExceptionReply(fault("meter.exception_address", "here", exception=f"0x{code:02X}"), code)


def garbled(flaw: str = "crc") -> Garbled:
    return Garbled(fault("meter.garbled", "here", flaw=flaw, bytes="00"))


SILENCE = NoReply(fault("meter.gap_timeout", "here"))
NOBODY = NoReply(fault("meter.gateway_got_nothing", "here", exception="0x0B"))
AWAY = Unreachable(fault("meter.gap_unreachable", "here"))


@dataclass
class Device:
    """Answers from `words`; what it lacks is refused, or reads 0 if `sparse` (everywhere) or between words (`gaps`).

    `moods` come first, one a question.
    """

    words: Words = field(default_factory=dict)
    server: bytes = b""
    objects: Mapping[int, bytes] = field(default_factory=dict)
    sparse: bool = False
    gaps: bool = False
    moods: list[MeterError | None] = field(default_factory=list)
    most: int = 125

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        mood = self.moods.pop(0) if self.moods else None
        if mood:
            raise mood
        wanted = [(table, at) for at in range(address, address + count)]
        if count > self.most or not (self.sparse or self._holds(table, address, count)):
            raise refusal()
        return tuple(self.words.get(key, 0) for key in wanted)

    def _holds(self, table: Table, address: int, count: int) -> bool:
        held = [at for letter, at in self.words if letter == table]
        inside = bool(held) and min(held) <= address and address + count <= max(held) + 1
        return inside and (self.gaps or all(at in held for at in range(address, address + count)))


class Line:
    """Opens as `drivers.scan` wants it. `asked` is every question: (speed, unit, table, address, count)."""

    def __init__(self, devices: Mapping[tuple[Speed | None, int], Device], otherwise: MeterError = SILENCE) -> None:
        self.devices = devices
        self.otherwise = otherwise
        self.asked: list[tuple[Any, ...]] = []
        self.open = 0
        self.on_ask: Callable[[], None] = lambda: None

    def __call__(self, speed: Speed | None, _patience: int) -> Wire:
        self.open += 1
        return Wire(self, speed)


class Wire:
    """A Bus at one speed."""

    def __init__(self, line: Line, speed: Speed | None) -> None:
        self._line, self._speed = line, speed
        self._closed = False

    async def read(self, unit: int, table: Table, address: int, count: int, **_: Any) -> tuple[int, ...]:
        assert not self._closed, "a bus that was let go of"
        self._line.asked.append((self._speed, unit, table, address, count))
        self._line.on_ask()
        await asyncio.sleep(0)
        return self._device(unit).read(table, address, count)

    async def server_id(self, unit: int) -> bytes:
        self._line.asked.append((self._speed, unit, "server_id"))
        if not self._device(unit).server:
            raise refusal(1)
        return self._device(unit).server

    async def device_id(self, unit: int, object: int = 0) -> dict[int, bytes]:
        self._line.asked.append((self._speed, unit, "device_id", object))
        if not self._device(unit).objects:
            raise refusal(1)
        return dict(self._device(unit).objects)

    async def close(self) -> None:
        self._line.open -= not self._closed
        self._closed = True

    def _device(self, unit: int) -> Device:
        if (self._speed, unit) not in self._line.devices:
            raise self._line.otherwise
        return self._line.devices[self._speed, unit]
