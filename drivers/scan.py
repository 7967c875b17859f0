"""Knocks at every id of a line in the order of `drivers.scan_plan` and keeps what it heard for `drivers.scan_verdict`.

Only reads are sent: two holding registers from address 0, which every Modbus device answers or refuses, and a refusal
proves a meter as well as an answer does. A meter that answers too late for its own question is heard as a wrong unit in
the next one, and is asked again with more patience. The line is let go of however the scan ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from drivers import scan_plan
from drivers.bus import Bus
from drivers.errors import ExceptionReply, Garbled, NoReply, Unreachable
from drivers.scan_plan import PATIENT, Ask, Speed
from drivers.scan_verdict import ALIVE, Heard

#: How often an id is asked again after bytes that were no answer: a spike on the line, or two meters at once?
REPEATS = 3


class Opener(Protocol):
    """Opens the line at a speed; the bus it had before is closed first."""

    def __call__(self, speed: Speed | None, patience: int) -> Bus: ...


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """Somebody is there. `took`: ms until the answer."""

    speed: Speed | None
    unit: int
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """After every question: what was asked, what it brought, how much is left (questions, and seconds at most)."""

    ask: Ask
    heard: Heard
    done: int
    left: int
    seconds: float


@dataclass(slots=True)
class Result:
    """`stopped_early`: what the scan did not ask because it had found enough; `cut`: it was interrupted."""

    found: list[Found] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    stopped_early: tuple[Ask, ...] = ()
    cut: bool = False
    #: Speeds the port cannot be set to.
    impossible: list[Speed] = field(default_factory=list)


class Scan:
    """One scan of one line."""

    def __init__(self, opener: Opener, tell: Callable[[Progress], None] = lambda _: None) -> None:
        self._open = opener
        self._tell = tell
        self._bus: Bus | None = None
        self._at: tuple[Speed | None, int] | None = None
        self.result = Result()

    async def run(self, asks: Sequence[Ask], *, expect: int | None = None, everything: bool = False) -> Result:
        """Ask until enough is found. Raises Unreachable when the line itself is away.

        `result` holds what was found so far also when this is cancelled.
        """
        left = tuple(asks)
        try:
            while left and not scan_plan.enough(left, len(self.result.found), expect=expect, everything=everything):
                known = len(self.result.found)
                await self._one(left[0], left[1:])
                left = tuple(ask for ask in left[1:] if not self._needless(ask))
                if len(self.result.found) > known:
                    left = scan_plan.lively_first(left, frozenset(found.speed for found in self.result.found))
            self.result.stopped_early = left
            return self.result
        except asyncio.CancelledError:
            self.result.cut = True
            raise
        finally:
            await self._let_go()

    def _needless(self, ask: Ask) -> bool:
        """The port cannot be set so, or a meter that was found would answer again: one more stop bit is silence."""
        if ask.speed is None:
            return False
        same = (found.speed for found in self.result.found if found.unit == ask.unit and found.speed)
        twin = any((one.baud, one.parity) == (ask.speed.baud, ask.speed.parity) for one in same)
        return twin or ask.speed in self.result.impossible

    async def _one(self, ask: Ask, left: Sequence[Ask]) -> None:
        """`ask`, and what it makes worth asking again."""
        pending = deque([ask])
        repeats = 0
        while pending:
            now = pending.popleft()
            try:
                heard = await self._heard(now)
            except Unreachable:
                if now.speed is None or all(one.speed == now.speed for one in self.result.heard):
                    raise
                self.result.impossible.append(now.speed)  # the port was there a moment ago, at another speed
                return
            self._tell(Progress(now, heard, len(self.result.heard), len(left), scan_plan.eta(left)))
            if heard.outcome == "garbled" and repeats < REPEATS:
                repeats += 1
                pending += self._again(now, heard)

    def _again(self, ask: Ask, heard: Heard) -> list[Ask]:
        """The id itself, and before it the one that may have answered too late."""
        before = self.result.heard[-2] if len(self.result.heard) > 1 else None
        late = heard.flaw == "unit" and before and before.outcome == "silent" and before.speed == ask.speed
        if late and before:
            return [replace(ask, unit=before.unit, patience=max(PATIENT, ask.patience)), ask]
        return [ask]

    async def _heard(self, ask: Ask) -> Heard:
        bus = await self._bus_at(ask.speed, ask.patience)
        began = asyncio.get_running_loop().time()
        heard = await knock(bus, ask.speed, ask.unit)
        self.result.heard.append(heard)
        if heard.outcome in ALIVE and not any((f.speed, f.unit) == (ask.speed, ask.unit) for f in self.result.found):
            took = (asyncio.get_running_loop().time() - began) * 1000
            self.result.found.append(Found(ask.speed, ask.unit, took))
        return heard

    async def _bus_at(self, speed: Speed | None, patience: int) -> Bus:
        if self._bus is None or self._at != (speed, patience):
            await self._let_go()
            self._bus, self._at = self._open(speed, patience), (speed, patience)
        return self._bus

    async def _let_go(self) -> None:
        if self._bus is not None:
            await self._bus.close()
        self._bus = None


async def knock(bus: Bus, speed: Speed | None, unit: int) -> Heard:
    """Whether `unit` is there. Raises Unreachable when the line is not."""
    try:
        await bus.read(unit, "h", 0, 2)
    except ExceptionReply:
        return Heard(speed, unit, "refused")
    except Garbled as error:
        return Heard(speed, unit, "garbled", error.faults[0].params.get("flaw", ""))
    except NoReply as error:
        nobody = error.faults[0].code == "meter.gateway_got_nothing"
        return Heard(speed, unit, "nobody" if nobody else "silent")
    return Heard(speed, unit, "answered")
