"""What time it is and what that is worth: the daemon's clock port, and the watch that notices when it is moved.

Only the daemon owns a clock; everything else is told. Wall time (CLOCK_REALTIME) names slots, CLOCK_BOOTTIME orders
and measures; their difference moves only when somebody sets the clock. Each such move, and each change of what the
kernel knows of its own synchronisation, starts an era with a `clock` leaf, handed over before any later leaf is
stamped. States are those of OCMF table 7: S synchronised, R counted on from there, I older than a day or merely
vouched for, U never known.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mrv.leaf import Clock as ClockLeaf
from mrv.reading import ClockState

#: A move of wall time against boot time beyond this (ms, since the last clock leaf) starts an era.
STEP_MS = 500
#: A clock that shows less (2025-01-01, UTC ms) was never set, whoever vouches for it: this software is younger.
EARLIEST = 1_735_689_600_000
#: How long a lost synchronisation is still worth counting on from.
RELATIVE_MS = 24 * 3600 * 1000
#: How often the kernel is asked whether it is synchronised: a system call that need not be made for every reading.
SYNC_LOOK_MS = 1000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STA_UNSYNC = 0x0040  # linux/timex.h
_TIME_ERROR = 5

Source = Literal["kernel", "assumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """One look at the clocks: UTC ms, CLOCK_BOOTTIME ms, and the kernel's word on its synchronisation."""

    realtime: int
    boottime: int
    synchronised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant as leaves carry it; `era` counts clock leaves, so two moments tell whether the clock was moved."""

    boot: int
    boottime: int
    ts: int
    state: ClockState
    era: int


class Clock(Protocol):
    """The port. The real one asks the kernel, the one of the tests is turned by hand."""

    @property
    def boot_id(self) -> str:
        """The kernel's id of this boot."""

    def read(self) -> Instant:
        """Look at all clocks at once."""

    async def sleep(self, ms: int) -> None:
        """Wait `ms` of monotonic time."""


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as `status`; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


class SystemClock:
    """The kernel's clocks. `synchronised` is what an NTP or PTP daemon told the kernel (adjtimex, read only)."""

    def __init__(self) -> None:
        self.boot_id = _BOOT_ID.read_text().strip()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._asked = -SYNC_LOOK_MS
        self._synchronised = False

    def read(self) -> Instant:
        boottime = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        if boottime - self._asked >= SYNC_LOOK_MS:
            self._asked, self._synchronised = boottime, self._kernel_says()
        return Instant(realtime=time.time_ns() // 1_000_000, boottime=boottime, synchronised=self._synchronised)

    def _kernel_says(self) -> bool:
        timex = _Timex()
        state: int = self._libc.adjtimex(ctypes.byref(timex))
        return state not in {-1, _TIME_ERROR} and not timex.status & _STA_UNSYNC

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)


class Timekeeper:
    """Stamps moments and announces eras. `announce` gets each clock leaf before the moment that revealed it is used."""

    def __init__(self, clock: Clock, *, boot: int, source: Source, announce: Callable[[ClockLeaf], None]) -> None:
        self.clock = clock
        self.boot = boot
        self.source: Source = source
        self._announce = announce
        self._era = 0
        self._offset = 0
        self._state = ClockState.UNKNOWN
        self._last_sync: int | None = None

    def now(self) -> Moment:
        """The present, after announcing any change of the clock."""
        instant = self.clock.read()
        state = self._worth(instant)
        offset = instant.realtime - instant.boottime
        moved = offset - self._offset if self._era else 0
        if not self._era or state is not self._state or abs(moved) > STEP_MS:
            self._begin_era(instant, state, moved)
        return Moment(boot=self.boot, boottime=instant.boottime, ts=instant.realtime, state=self._state, era=self._era)

    def _worth(self, instant: Instant) -> ClockState:
        if instant.realtime < EARLIEST:
            return ClockState.UNKNOWN
        if self.source == "assumed":
            return ClockState.INFORMATIVE
        if instant.synchronised:
            self._last_sync = instant.boottime
            return ClockState.SYNCHRONISED
        if self._last_sync is None:
            return ClockState.UNKNOWN
        recent = instant.boottime - self._last_sync <= RELATIVE_MS
        return ClockState.RELATIVE if recent else ClockState.INFORMATIVE

    def _begin_era(self, instant: Instant, state: ClockState, moved: int) -> None:
        why = self._why(state)
        self._era += 1
        self._state, self._offset = state, instant.realtime - instant.boottime
        self._announce(
            ClockLeaf(
                boot=self.boot,
                boottime=instant.boottime,
                ts=instant.realtime,
                clock=state,
                why=why,
                source=self.source,
                step=moved if abs(moved) > STEP_MS else 0,
            )
        )

    def _why(self, state: ClockState) -> Literal["start", "sync", "lost", "step"]:
        if not self._era:
            return "start"
        if state is self._state:
            return "step"
        return "sync" if state is ClockState.SYNCHRONISED else "lost"
