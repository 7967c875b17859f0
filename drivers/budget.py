"""Whether a line can keep its interval: how long one round over its meters takes, before anybody has wired it.

Pure arithmetic, in ms. One request for n registers at unit u takes

    serial   8 c  +  d  +  (5 + 2 n) c  +  max(s, g, t)
    TCP      d'  +  max(g, t)

    c   one character: (1 start + 8 data + parity + stop bits) / baud
    d   how long a meter thinks: ANSWER unless measured; d' with the network and what is behind it: ANSWER_TCP
    s   silence between frames: 3.5 c, above 19200 baud 1.75 ms (MODBUS over Serial Line V1.02, 2.5.1.1)
    g   the line's `gap`; t the profile's `timing.turnaround`

and a *cycle* is the sum over all requests of all meters on the line, since slots of all intervals fall together now and
then. A silent meter adds at worst, once per round, what the agent gives a meter it doubts (agent/patience.py) and what
the line then needs to be sure of its silence:

    serial   min(timeout, interval / 2)  +  late
    TCP      min(timeout, interval / 2)

with the longest `timeout` of line and profiles; a serial line is silent at least that long, too (drivers.lines).
A line keeps its interval when cycle and worst case together fit into the shortest interval on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import msgspec

from drivers import blocks
from drivers.rtu import Timing
from drivers.wiring import Line, Meter, Site, TcpLine
from mrv.errors import Fault, fault
from mrv.profile import Profile
from mrv.profile_device import Timing as DeviceTiming

#: How long (ms) a meter thinks: most of the families in the library answer within 50; over TCP with all between.
ANSWER, ANSWER_TCP = 50, 100
#: Speeds meters can be set to.
SPEEDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
#: Longest interval wiring allows, in s; most lines and shortest timeout (ms) one would advise.
_LONGEST, _MOST_LINES, _SHORTEST = 3600, 20, 200
#: What to say, by what would help.
_TEXTS = {
    "meter.line_overbooked": ("every", "lines", "baud", "fewer"),
    "meter.line_overbooked_by_meters": ("every", "lines"),
    "meter.line_overbooked_by_patience": ("every", "timeout"),
    "meter.line_overbooked_by_interval": ("every",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one meter asks of its line: registers of each request, every how many seconds."""

    meter: str
    every: int
    requests: tuple[int, ...]
    #: Silence (ms) the meter wants after each of its replies, and how long it may take, if longer than its line says.
    turnaround: int = 0
    timeout: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One line, in ms: a round in which all answer, one in which one is silent, and the shortest interval."""

    line: str
    meters: int
    cycle: int
    worst: int
    interval: int

    @property
    def fits(self) -> bool:
        return self.worst <= self.interval


def loads(site: Site, line: str, profiles: Mapping[str, Profile]) -> list[Load]:
    """What the meters on the line with id `line` ask of it. Raises BadInput for a profile no request can serve."""
    return [_load(meter, profiles[meter.profile]) for meter in site.meters if meter.bus == line]


def _load(meter: Meter, profile: Profile) -> Load:
    timing = profile.timing or DeviceTiming()
    return Load(
        meter=meter.id,
        every=meter.every,
        requests=tuple(block.count for block in blocks.plan(profile, profile.read, meter.base or 0)),
        turnaround=timing.turnaround or 0,
        timeout=timing.timeout or 0,
    )


def forecast(line: Line, loads: Sequence[Load]) -> Forecast:
    """How long rounds on `line` take. `loads` are the meters on it, at least one."""
    interval = 1000 * min(load.every for load in loads)
    cycle = sum(_request(line, count, load.turnaround) for load in loads for count in load.requests)
    return Forecast(
        line=line.id,
        meters=len(loads),
        cycle=ceil(cycle),
        worst=ceil(cycle + min(_slowest(line, loads), interval / 2) + _late(line, loads)),
        interval=interval,
    )


def refusal(line: Line, loads: Sequence[Load], where: str) -> Fault | None:
    """What is wrong with a line that cannot keep its interval, and things each of which would do, in numbers."""
    found = forecast(line, loads)
    if found.fits:
        return None
    ways: dict[str, int | None] = {
        "every": _longer(line, loads),
        "lines": _split(line, loads),
        "baud": _faster(line, loads),
        "fewer": _fewer(line, loads),
        "timeout": _quicker(line, loads),
    }
    numbers = {"meters": found.meters, "cycle": found.cycle, "worst": found.worst, "interval": found.interval}
    registers = sum(count for load in loads for count in load.requests)
    for code, needed in _TEXTS.items():
        if all(ways[name] for name in needed):
            named = {name: way for name, way in ways.items() if name in needed}
            return fault(code, where, **numbers, **named, registers=registers)
    return fault("meter.line_overbooked_for_ever", where, **numbers)


def _request(line: Line, count: int, turnaround: int) -> float:
    if isinstance(line, TcpLine):
        return ANSWER_TCP + max(line.gap, turnaround)
    timing = Timing(baud=line.baud, parity=line.parity, stop=line.stop)
    return timing.wire(8) + ANSWER + timing.wire(5 + 2 * count) + max(timing.silence, line.gap, turnaround)


def _slowest(line: Line, loads: Sequence[Load]) -> int:
    return max([line.timeout, *(load.timeout for load in loads)])


def _late(line: Line, loads: Sequence[Load]) -> int:
    return 0 if isinstance(line, TcpLine) else max([line.lateness, *(load.timeout for load in loads)])


def _longer(line: Line, loads: Sequence[Load]) -> int | None:
    """The shortest interval (s) for all that would do."""
    shortest = min(load.every for load in loads)
    longer = range(shortest + 1, _LONGEST + 1)
    return next(
        (s for s in longer if forecast(line, [replace(load, every=max(load.every, s)) for load in loads]).fits), None
    )


def _faster(line: Line, loads: Sequence[Load]) -> int | None:
    """The lowest speed that would do."""
    if isinstance(line, TcpLine):
        return None
    speeds = (speed for speed in SPEEDS if speed > line.baud)
    return next((s for s in speeds if forecast(msgspec.structs.replace(line, baud=s), loads).fits), None)


def _fewer(line: Line, loads: Sequence[Load]) -> int | None:
    """How many registers of a round would have to go; a meter keeps its energy: two registers of every request."""
    if isinstance(line, TcpLine):
        return None
    found = forecast(line, loads)
    fewer = ceil((found.worst - found.interval) / Timing(baud=line.baud, parity=line.parity, stop=line.stop).wire(2))
    spare = sum(count - 2 for load in loads for count in load.requests if count > 2)
    return fewer if fewer <= spare else None


def _split(line: Line, loads: Sequence[Load]) -> int | None:
    """Over how many lines like this one the meters would have to be split, the heaviest first."""
    heavy = sorted(loads, key=lambda load: -sum(load.requests))
    for lines in range(2, min(len(loads), _MOST_LINES) + 1):
        if all(forecast(line, heavy[start::lines]).fits for start in range(lines)):
            return lines
    return None


def _quicker(line: Line, loads: Sequence[Load]) -> int | None:
    """The longest `timeout` (and `late`) that would do, in tens of ms; a meter must have its time to answer."""
    for timeout in range(line.timeout - line.timeout % 10, _SHORTEST - 1, -10):
        change = {"timeout": timeout} if isinstance(line, TcpLine) else {"timeout": timeout, "late": timeout}
        if forecast(msgspec.structs.replace(line, **change), loads).fits:
            return timeout
    return None
