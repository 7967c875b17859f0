"""A scenario being played: its lines listen, its meters answer, and what was to go wrong goes wrong at its time.

    stage = Stage(scenario, profiles, folder=..., tell=print)
    where = await stage.start()        line id -> Where
    await stage.play()                 until cancelled; or, with a clock of one's own: await stage.advance()
    await stage.stop()

Time is scenario seconds: real ones times the scenario's speed, or whatever `now` says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from drivers.simulator import misfortune as m
from drivers.simulator.effects import on_wire
from drivers.simulator.faults import Send
from drivers.simulator.frames import Reply, Request, refused, registers, sealed
from drivers.simulator.line import Tty, answer, nobody, said
from drivers.simulator.meter import Simulated
from drivers.simulator.plant import Clock
from drivers.simulator.pty import PtyServer
from drivers.simulator.scenario import Line, Rtu, RtuOverTcp, Scenario
from drivers.simulator.server import SerialOverTcp, Server, TcpServer, Where
from drivers.simulator.timeline import Happening, Timeline
from mrv.profile import Profile

Tell = Callable[[dict[str, Any]], None]
#: Seconds between two looks at the clock when nothing is to come.
_LOOK = 0.5


class Played:
    """One line of a scenario: its meters, and what befalls each request."""

    def __init__(self, spec: Line, meters: list[Simulated], timeline: Timeline, now: Callable[[], float], seed: int):
        self.echoing = False
        self._spec = spec
        self._meters = meters
        self._timeline = timeline
        self._now = now
        self._chance = Random(f"{seed}/{spec.id}")  # noqa: S311 - who of two meters is quicker, not a secret

    def hear(self, request: Request, tty: Tty | None = None) -> tuple[Send, ...]:
        t = self._now()
        heard = [meter for meter in self._meters if self._reached(meter, request.unit, tty, t)]
        self._chance.shuffle(heard)
        if not heard:
            return nobody(request.transaction, request.unit, request.function)
        sends: list[Send] = []
        for meter in heard if request.transaction is None else heard[:1]:
            met = self._timeline.meets(t, meter=meter.spec.id, line=self._spec.id)
            sends += answer(meter.at(t, met), request, on_wire(met, t, m.seconds(meter.spec.turnaround)))
        return tuple(sends)

    def refuse(self, transaction: int | None, unit: int, function: int, code: int) -> tuple[Send, ...]:
        if not any(meter.answers(unit, self._now()) for meter in self._meters):
            return nobody(transaction, unit, function)
        return said(transaction, unit, refused(function, code))

    def overheard(self, unit: int) -> bytes:
        """What a second master and `unit` say to each other."""
        t = self._now()
        meter = next((meter for meter in self._meters if meter.answers(unit, t)), None)
        if meter is None:
            return sealed(bytes((unit, 3, 0, 0, 0, 2)))
        profile = meter.profile(t)
        span = profile.span(profile.read[0])
        address, function = meter.spec.settings.shift + span.at, 3 if span.table == "h" else 4
        words = meter.at(t, ()).read(span.table, address, span.count)
        asked = sealed(bytes((unit, function)) + address.to_bytes(2, "big") + span.count.to_bytes(2, "big"))
        return asked + Reply(transaction=None, unit=unit, pdu=registers(function, words)).frame

    def _reached(self, meter: Simulated, unit: int, tty: Tty | None, t: float) -> bool:
        baud, parity = (self._spec.baud, self._spec.parity) if isinstance(self._spec, Rtu) else (0, "N")
        return meter.answers(unit, t) and meter.listens(tty, baud, parity)


class Stage:
    """Owns the servers of a scenario. `tell` hears, as plain mappings, where lines listen and what happens."""

    def __init__(
        self,
        scenario: Scenario,
        profiles: Mapping[str, Profile],
        *,
        folder: Path,
        tell: Tell = lambda _: None,
        now: Callable[[], float] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        since, speed = time.monotonic(), float(scenario.speed)
        self._now = now or (lambda: (time.monotonic() - since) * speed)
        self._speed = speed
        self._tell = tell
        self._timeline = Timeline(scenario.faults, self._happened)
        clock = Clock(start=float(scenario.start), speed=speed)
        self.meters = [Simulated(spec, profiles, clock, self._timeline.of(spec.id)) for spec in scenario.meters]
        self._lines: dict[str, Played] = {}
        self._servers: dict[str, Server] = {}
        for spec in scenario.lines:
            mine = [meter for meter in self.meters if meter.spec.line == spec.id]
            line = self._lines[spec.id] = Played(spec, mine, self._timeline, self._now, scenario.seed)
            self._servers[spec.id] = _server(spec, line, folder, host)
        self._talking: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> dict[str, Where]:
        """All lines listen; whatever begins at once has begun. Raises OSError when a place is taken."""
        where = {name: await server.start() for name, server in self._servers.items()}
        for name, place in where.items():
            self._say_where(name, place)
        await self.advance()
        return where

    async def stop(self) -> None:
        for task in self._talking.values():
            task.cancel()
        await asyncio.gather(*self._talking.values(), return_exceptions=True)
        for server in self._servers.values():
            await server.stop()

    async def play(self) -> None:
        """Until cancelled."""
        while True:
            wait = (self._timeline.next_moment() - self._now()) / self._speed
            await asyncio.sleep(max(0.0, min(_LOOK, wait)))
            await self.advance()

    async def advance(self) -> None:
        """Everything that should have begun or ended by now has."""
        for happening in self._timeline.pass_until(self._now()):
            await self._take_effect(happening.fault, begins=happening.what == "begins")

    async def _take_effect(self, fault: m.Once, *, begins: bool) -> None:
        if isinstance(fault, m.Echo):
            self._lines[fault.line].echoing = begins
        elif isinstance(fault, (m.UsbLoss, m.GatewayGone)):
            if begins:
                await self._servers[fault.line].vanish()
            else:
                self._say_where(fault.line, await self._servers[fault.line].come_back())
        elif isinstance(fault, m.SecondMaster):
            if begins:
                self._talking[id(fault)] = asyncio.ensure_future(self._talk(fault))
            else:
                self._talking.pop(id(fault)).cancel()

    async def _talk(self, fault: m.SecondMaster) -> None:
        while True:
            self._servers[fault.line].speak(self._lines[fault.line].overheard(fault.unit))
            await asyncio.sleep(m.seconds(fault.pause))

    def _happened(self, happening: Happening) -> None:
        self._tell(happening.told())

    def _say_where(self, line: str, where: Where) -> None:
        place = {name: value for name, value in asdict(where).items() if value is not None}
        self._tell({"t": round(self._now(), 3), "event": "listens", "line": line, **place})


def _server(spec: Line, line: Played, folder: Path, host: str) -> Server:
    if isinstance(spec, Rtu):
        return PtyServer(line, folder / spec.id, baud=spec.baud)
    if isinstance(spec, RtuOverTcp):
        return SerialOverTcp(line, host, spec.port, clients=spec.clients, baud=spec.baud)
    return TcpServer(line, host, spec.port, clients=spec.clients)
