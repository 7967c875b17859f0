"""A line as wired -> a Bus, or ears without a mouth.

    connect(line)           the Bus for any kind of line
    wary(line)              the same for the tool, which looks for a second meter behind every answer
    listen(line, seconds)   what others say on a serial line; nothing is sent, not even a break

Opens nothing by itself; whoever uses a line holds its lease (drivers.lease).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers import rtu
from drivers.bus import Habit, Habits, LineBus
from drivers.errors import Unreachable
from drivers.rtu import Timing
from drivers.rtu_line import Manners, Opener, RtuBus, serial_opener, tcp_opener, why_not
from drivers.tcp import TcpBus
from drivers.wiring import Line, Meter, RtuLine, RtuOverTcpLine, Site, TcpLine
from mrv.errors import fault
from mrv.profile import Profile
from mrv.profile_device import Timing as DeviceTiming

#: How long (ms) the tool listens behind an answer: meters with one number answer within their turnarounds' difference.
AFTER = 20
#: How long (s) opening a line to listen on it may take.
_OPENING = 5


def connect(line: Line, habits: Habits | None = None, after: int = 0) -> LineBus:
    """The line as wired; it opens with the first question. `habits` are those of its units (`habits_of`).

    `after`: for how long (ms) to listen behind an answer on a serial line (drivers.rtu_line.Manners).
    """
    if isinstance(line, TcpLine):
        return TcpBus(line.host, line.port, timeout=line.timeout, retries=line.retries, gap=line.gap, habits=habits)
    slowest = max([line.lateness, *(habit.timeout for habit in (habits or {}).values())])
    manners = Manners(timing=_timing(line), late=slowest, gap=line.gap, after=after)
    return RtuBus(line.end, _opener(line), manners, timeout=line.timeout, retries=line.retries, habits=habits)


def wary(line: Line) -> LineBus:
    """The line as the tool opens it: units that two meters answer as are noted (RtuBus.doubled)."""
    return connect(line, after=AFTER)


def habits_of(site: Site, line: str, profiles: Mapping[str, Profile]) -> dict[int, Habit]:
    """How the units on the line with id `line` want to be asked: from the wiring and from their profiles."""
    return {meter.unit: _habit(meter, profiles[meter.profile].timing) for meter in site.meters if meter.bus == line}


def _habit(meter: Meter, known: DeviceTiming | None) -> Habit:
    timing = known or DeviceTiming()
    return Habit(
        answers_as=meter.answers_as,
        timeout=timing.timeout or 0,
        turnaround=timing.turnaround or 0,
        busy=timing.busy_retry,
        connect_delay=timing.connect_delay or 0,
    )


@dataclass(slots=True)
class Heard:
    """What came over a line: all bytes, and the whole frames among them."""

    data: bytearray = field(default_factory=bytearray)

    @property
    def frames(self) -> tuple[bytes, ...]:
        """Frames with a right CRC, unit first, CRC last."""
        return tuple(rtu.frames(bytes(self.data)))

    @property
    def units(self) -> tuple[int, ...]:
        """The unit numbers in those frames, sorted."""
        return tuple(sorted({frame[0] for frame in self.frames}))


async def listen(line: Line, seconds: float) -> Heard:
    """What is said on a serial line in `seconds`. A Modbus TCP line has nothing to overhear: empty at once.

    Raises Unreachable when the line cannot be opened or goes away.
    """
    if isinstance(line, TcpLine):
        return Heard()
    ears = _Ears()
    try:
        async with asyncio.timeout(_OPENING):
            transport = await _opener(line)(ears)
    except OSError as error:
        raise Unreachable(why_not(error, line.end)) from error
    except (TimeoutError, UnicodeError) as error:
        raise Unreachable(fault("meter.gap_unreachable", line.end)) from error
    try:
        await asyncio.wait([ears.lost], timeout=seconds)
    finally:
        transport.close()
    if ears.lost.done():
        raise Unreachable(fault("meter.line_dropped", line.end))
    return ears.heard


class _Ears(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard = Heard()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.heard.data += data

    def connection_lost(self, _: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


def _timing(line: RtuLine | RtuOverTcpLine) -> Timing:
    return Timing(baud=line.baud, parity=line.parity, stop=line.stop)


def _opener(line: RtuLine | RtuOverTcpLine) -> Opener:
    return serial_opener(line.port, _timing(line)) if isinstance(line, RtuLine) else tcp_opener(line.host, line.port)
