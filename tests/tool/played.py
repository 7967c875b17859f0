"""A plant that plays on while a command runs: the simulator's stage on a thread of its own, with keypads and displays.

Everything that reaches a line is noted as (line, unit, function), also what no meter would understand.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers import profiles
from drivers.simulator import scenario
from drivers.simulator.meter import Simulated
from drivers.simulator.server import Where
from drivers.simulator.stage import Played, Stage
from mrv.measurand import MEASURANDS

#: All that may ever be sent.
READS = frozenset((0x03, 0x04, 0x11, 0x2B))


@dataclass
class Plant:
    """The stage with its meters by id, and what was asked of it."""

    stage: Stage
    where: dict[str, Where]
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def end(self, line: str) -> str:
        """What a technician types for the line."""
        place = self.where[line]
        return place.path if place.path is not None else f"{place.host}:{place.port}"

    def meter(self, name: str) -> Simulated:
        return next(meter for meter in self.stage.meters if meter.spec.id == name)

    def keypad(self, name: str, **changes: Any) -> None:
        """Somebody changes settings at the meter."""
        meter = self.meter(name)
        meter.spec = msgspec.structs.replace(meter.spec, **changes)

    def plug(self, name: str, connected: bool) -> None:
        """Connect a meter to the line, or take it off."""
        meter = self.meter(name)
        meter.listens = type(meter).listens.__get__(meter) if connected else lambda *_: False  # type: ignore[method-assign]

    def display(self, name: str, register: str, decimals: int = 2) -> str:
        """What the meter's own display shows now."""
        shown = self.meter(name)._history.shown(self.stage._now())[MEASURANDS[register]]
        return str(Decimal(shown).quantize(Decimal(10) ** -decimals, rounding="ROUND_DOWN"))

    def shows(self, name: str, register: str) -> float:
        """A quantity of the meter as it is."""
        return self.meter(name)._history.shown(self.stage._now())[MEASURANDS[register]]


@contextmanager
def played(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """`text` is a scenario; serial lines are links in `folder`."""
    library = profiles.library()
    stage = Stage(scenario.load(text, "scenario.yaml", library).value, library, folder=folder)
    plant = Plant(stage, {})
    _noted(plant, monkeypatch)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    plant.where = asyncio.run_coroutine_threadsafe(stage.start(), loop).result(10)
    try:
        playing = asyncio.run_coroutine_threadsafe(stage.play(), loop)
        yield plant
    finally:
        playing.cancel()
        asyncio.run_coroutine_threadsafe(stage.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _noted(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    hear, refuse = Played.hear, Played.refuse

    def heard(self: Played, request: Any, tty: Any = None) -> Any:
        plant.asked.append((self._spec.id, request.unit, request.function))
        return hear(self, request, tty)

    def refused(self: Played, transaction: Any, unit: int, function: int, code: int) -> Any:
        plant.asked.append((self._spec.id, unit, function))
        return refuse(self, transaction, unit, function, code)

    monkeypatch.setattr(Played, "hear", heard)
    monkeypatch.setattr(Played, "refuse", refused)
