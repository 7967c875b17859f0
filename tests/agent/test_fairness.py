"""A dead or slow meter never costs a healthy one a slot: the daemon's own loop on a modelled 9600-baud line.

The line, the bus, the meters and the loop are those that ship; only the wires and the clock are modelled. The naive
schedule on the same wires shows that the question is not idle.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from modelled_line import ModelledLine, Station
from virtual_time import LoopClock, VirtualLoop

from agent.clock import SystemClock, Timekeeper
from agent.poll import BusLoop, Round
from agent.turn import Turn
from drivers import lines, profiles
from drivers.bus import Bus
from drivers.errors import MeterError
from drivers.meter import Meter
from drivers.rtu import Timing
from drivers.rtu_line import Manners, RtuBus
from drivers.simulator.line import Units
from drivers.simulator.pty import PtyServer
from drivers.wiring import RtuLine
from mrv.binding import BoundMeter
from mrv.reading import Gap

EVERY, MINUTES = 10, 10
SLOTS = MINUTES * 60 // EVERY
DEAD = (3, 7)
SDM630 = profiles.library()["eastron_sdm630"]


@dataclass
class Site:
    """Ten SDM630 on one line, and what came of their slots."""

    line: ModelledLine
    bus: Bus
    told: dict[str, list[str]] = field(default_factory=dict)

    def meters(self) -> list[tuple[str, Meter]]:
        return [
            (
                f"m{unit}",
                Meter(BoundMeter(meter=f"m{unit}", point="P", profile=SDM630.id, every=EVERY), SDM630, self.bus, unit),
            )
            for unit in self.line.stations
        ]

    def emit(self, leaves: Round) -> None:
        for leaf in leaves:
            self.told.setdefault(leaf.meter, []).append(str(leaf.why) if isinstance(leaf, Gap) else "read")

    def missed(self, meter: str, slots: int = SLOTS) -> int:
        """Slots of the first `slots` without a reading."""
        return slots - self.told[meter][:slots].count("read")


def play(site: Callable[[], Awaitable[Site]]) -> Site:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(site())


def site(*, timeout: int = 1000, retries: int = 1, stations: int = 10) -> Site:
    line = ModelledLine(9600, {unit: Station() for unit in range(1, stations + 1)})
    return Site(line, RtuBus("line", line.open, Manners(timing=Timing(baud=9600)), timeout=timeout, retries=retries))


async def fair(made: Site, seconds: float = MINUTES * 60) -> Site:
    """The daemon's loop for ten minutes."""
    clock = LoopClock()
    time = Timekeeper(clock, boot=1, source="kernel", announce=lambda _: None)
    turns = [Turn(meter=name, every=EVERY, source=meter) for name, meter in made.meters()]
    loop = BusLoop(turns, time, config=1, emit=made.emit, frontier=lambda _: 0)
    task = asyncio.ensure_future(loop.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await made.bus.close()
    return made


async def naive(made: Site) -> Site:
    """In the order of the file, every meter as often as the library would ask it: three seconds, three retries."""
    began = asyncio.get_running_loop().time()
    for slot in range(SLOTS):
        for name, meter in made.meters():
            due = began + slot * EVERY
            await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
            if asyncio.get_running_loop().time() >= due + EVERY:
                outcome = "late"
            else:
                try:
                    await meter.read()
                    outcome = "read" if asyncio.get_running_loop().time() < due + EVERY else "late"
                except MeterError as error:
                    outcome = str(error.reason)
            made.told.setdefault(name, []).append(outcome)
    await made.bus.close()
    return made


def test_two_dead_of_ten_cost_the_healthy_nothing() -> None:
    async def ours() -> Site:
        made = site()
        for unit in DEAD:
            made.line.stations[unit].dead = True
        return await fair(made)

    made = play(ours)
    assert {name: made.missed(name) for name in made.told if int(name[1:]) not in DEAD} == {
        f"m{unit}": 0 for unit in range(1, 11) if unit not in DEAD
    }
    for unit in DEAD:
        assert len(made.told[f"m{unit}"]) >= SLOTS, "every slot is accounted for"
        assert made.missed(f"m{unit}") == SLOTS
    assert made.line.collisions == 0


def test_the_naive_schedule_loses_slots_of_healthy_meters() -> None:
    async def theirs() -> Site:
        made = site(timeout=3000, retries=3)
        for unit in DEAD:
            made.line.stations[unit].dead = True
        return await naive(made)

    made = play(theirs)
    lost = {unit: made.missed(f"m{unit}") for unit in range(1, 11) if unit not in DEAD}
    assert min(lost.values()) > SLOTS // 4, lost


@pytest.mark.parametrize("victims", [(1, 2), (1, 2, 3, 4, 5, 6, 7, 8, 9)], ids=["two", "all but one"])
def test_meters_that_die_while_running_and_come_back(victims: tuple[int, ...]) -> None:
    """The survivors lose no slot when two die; when nine die at once, at most the slot in which they did."""

    async def ours() -> Site:
        made = site()

        async def misfortune() -> None:
            await asyncio.sleep(101)
            for unit in victims:
                made.line.stations[unit].dead = True
            await asyncio.sleep(200)
            for unit in victims:
                made.line.stations[unit].dead = False

        happening = asyncio.ensure_future(misfortune())
        await fair(made)
        await happening
        return made

    made = play(ours)
    for unit in set(range(1, 11)) - set(victims):
        assert made.missed(f"m{unit}") <= (len(victims) > 2)
    for unit in victims:
        assert made.told[f"m{unit}"][-2:] == ["read", "read"]
        healed = made.told[f"m{unit}"].index("read", 12)
        assert healed <= 30 + 30, "asked again at least every five minutes"
        assert set(made.told[f"m{unit}"][healed:]) == {"read"}, "the first answer brings it back"


def test_a_meter_that_became_slow_is_still_heard_and_costs_nobody() -> None:
    """Known to answer in 50 ms, it now takes 800: given up at first, heard at the second try, known as slow then."""

    async def ours() -> Site:
        made = site()
        asyncio.get_running_loop().call_later(101, setattr, made.line.stations[4], "turnaround", 800)
        return await fair(made)

    made = play(ours)
    assert {name: made.missed(name) for name in made.told} == {f"m{unit}": 0 for unit in range(1, 11)}
    assert made.line.collisions == 0


def test_a_meter_too_slow_for_the_line_is_dead_to_it_and_its_late_replies_are_nobodys() -> None:
    async def ours() -> Site:
        made = site()
        made.line.stations[4].turnaround = 1500
        return await fair(made)

    made = play(ours)
    assert {name: made.missed(name) for name in made.told if name != "m4"} == {
        f"m{unit}": 0 for unit in range(1, 11) if unit != 4
    }
    assert Counter(made.told["m4"]).keys() <= {"timeout", "quarantined"}
    assert made.line.collisions == 0


class Meters:
    """A float32 that counts up with time in every pair of registers, for drivers.simulator."""

    def read(self, _: str, address: int, count: int) -> tuple[int, ...]:
        value = struct.unpack(">2H", struct.pack(">f", 1000 + asyncio.get_running_loop().time() / 1000))
        return tuple(value[(address + i) % 2] for i in range(count))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_same_on_a_real_port_paced_to_9600_baud_for_a_minute(tmp_path: Path) -> None:
    """Ten meters wired, two of them not there; characters take their time on a pseudo terminal."""
    present = {unit: Meters() for unit in range(1, 11) if unit not in DEAD}
    server = PtyServer(Units(present), tmp_path / "usb0", baud=9600)
    await server.start()
    bus = lines.connect(RtuLine(id="l", port=str(server.path), baud=9600, stop=2))
    made = Site(ModelledLine(9600, {unit: Station() for unit in range(1, 11)}), bus)
    clock = SystemClock()
    time = Timekeeper(clock, boot=1, source="assumed", announce=lambda _: None)
    turns = [Turn(meter=name, every=EVERY, source=meter) for name, meter in made.meters()]
    loop = BusLoop(turns, time, config=1, emit=made.emit, frontier=lambda _: 0)
    task = asyncio.ensure_future(loop.run())
    await asyncio.sleep(65)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.close()
    await server.stop()
    assert {name: made.missed(name, 6) for name in made.told if int(name[1:]) not in DEAD} == {
        f"m{unit}": 0 for unit in present
    }
    assert all(made.missed(f"m{unit}", 6) == 6 for unit in DEAD)
