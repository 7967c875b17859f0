"""The daemon's state of health as one small file: what `status` and `backlog` print, and nobody reads the database for.

Written beside and moved into place, so a reader sees the old one or the new one. Facts and alarms only; sentences are
made by whoever prints them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agent.lock import held
from mrv import identity, period
from mrv.errors import BadInput, Fault, fault
from mrv.reading import ClockState, GapReason

if TYPE_CHECKING:  # `status` must not load the database and the bus to read a small file
    from agent.poll import BusLoop
    from agent.store import Backlog
    from agent.turn import Turn
    from drivers.lease import Tenant
    from mrv.usage import Chain

FILE = "status.json"
#: The file is written every five seconds; older than this (ms), what it says may not be true any more.
SILENT_MS = 30_000


class MeterState(StrEnum):
    """How a meter is doing. Only `failing`, `quarantined` and `stale` ask for somebody."""

    OK = "ok"
    WAITING = "waiting"  # not asked yet
    FAILING = "failing"  # did not answer the last time
    QUARANTINED = "quarantined"  # has not answered for long, and is only asked now and then
    ASLEEP = "asleep"  # an inverter at night
    WAKING = "waking"  # an inverter whose answers are not believed yet
    STALE = "stale"  # its gateway answers with old values
    MAINTENANCE = "maintenance"  # its line is lent to the meter tool


class Meter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One meter: its last reading (UTC ms), how long that took (ms), and for how many turns it has been failing.

    `answers` and `errors` count what it gave since the agent started: answers, and slots without a reading by reason.
    """

    last_read: int | None
    latency: int
    state: MeterState = MeterState.OK
    failures: int = 0
    why: GapReason | None = None
    answers: int = 0
    errors: dict[GapReason, int] = {}


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that stands now."""

    code: str
    where: str
    params: dict[str, str]

    @property
    def fault(self) -> Fault:
        return Fault(self.code, self.where, dict(self.params))


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """Leaves written, signed, and acknowledged by the office; checkpoints without receipt, the oldest of when (ms)."""

    size: int
    signed: int
    received: int
    waiting: int
    waiting_since: int | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. Times are UTC ms."""

    v: int = 1
    state: str
    pid: int
    updated: int
    site: str
    origin: str
    vkey: str
    clock: ClockState
    config: int
    seq: int
    closed_until: int | None
    log: Log
    link_up: bool
    office_away: bool
    meters: dict[str, Meter]
    alarms: tuple[Alarm, ...]


def meters(loops: Iterable[BusLoop]) -> dict[str, Meter]:
    """How each meter is doing, by id."""
    return {turn.meter: _meter(turn) for loop in loops for turn in loop.turns}


def _meter(turn: Turn) -> Meter:
    patience = turn.patience
    return Meter(
        last_read=turn.last_read,
        latency=patience.latency,
        state=_state(turn),
        failures=patience.failures,
        why=patience.reason,
        answers=patience.answers,
        errors=dict(patience.errors),
    )


def _state(turn: Turn) -> MeterState:
    states = (
        (turn.lent, MeterState.MAINTENANCE),
        (turn.patience.quarantined, MeterState.QUARANTINED),
        (turn.patience.failures > 0, MeterState.FAILING),
        (turn.sleeping, MeterState.ASLEEP),
        (turn.sleep is not None and turn.sleep.waking, MeterState.WAKING),
        (turn.freshness is not None and turn.freshness.stale, MeterState.STALE),
        (not turn.patience.answers, MeterState.WAITING),
    )
    return next((state for holds, state in states if holds), MeterState.OK)


def troubles(loops: Iterable[BusLoop], tenants: Iterable[Tenant]) -> Iterator[Fault]:
    """What is wrong on the lines beyond a meter that does not answer."""
    for tenant in tenants:
        if tenant.trouble is not None and not tenant.lent:
            yield tenant.trouble
    for loop in loops:
        for turn in loop.turns:
            if turn.freshness is not None and turn.freshness.stale:
                yield fault("agent.meter_stale", turn.meter)


def alarms(faults: Iterable[Fault | None]) -> tuple[Alarm, ...]:
    """The faults that stand."""
    return tuple(Alarm(code=f.code, where=f.where, params=f.plain) for f in faults if f is not None)


def holds(chains: Iterable[Chain]) -> Iterator[Fault]:
    """Why a person has to decide about a meter before it counts again."""
    for chain in chains:
        for reason, since in chain.holds.items() if chain.end is None else ():
            told = {"reason": reason, "since": period.shown(since)}
            if reason in (*identity.PARTS, identity.BINDING):
                yield fault("agent.held_identity", chain.bound.meter, **told)
            else:
                yield fault("agent.held_counter", chain.bound.meter, **told)


def log(backlog: Backlog) -> Log:
    return Log(**asdict(backlog))


def write(state: Path, status: Status) -> None:
    """Put the file in place; a full disk leaves the old one standing. Raises OSError for the daemon to log."""
    path = state / FILE
    beside = path.with_suffix(".tmp")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n")
    os.replace(beside, path)  # noqa: PTH105 (the atomic one, by its own name)


def read(state: Path, now: int) -> Status:
    """The status as last written, with an alarm when its writer is gone or silent. Raises BadInput: there is none.

    `now` is UTC ms, compared with when the file was put in place.
    """
    path = state / FILE
    try:
        written = path.stat().st_mtime_ns // 1_000_000
        found = msgspec.json.decode(path.read_bytes(), type=Status)
    except FileNotFoundError as error:
        raise BadInput(fault("agent.no_status", str(path))) from error
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(fault("agent.status_unreadable", str(path), problem=error)) from error
    if found.state != "running":
        return found
    if not held(state):
        return _alarmed(found, "died", fault("agent.not_running", found.site, pid=found.pid))
    if now - written > SILENT_MS:
        return _alarmed(found, "silent", fault("agent.status_old", str(path), seconds=(now - written) // 1000))
    return found


def _alarmed(found: Status, state: str, why: Fault) -> Status:
    return msgspec.structs.replace(found, state=state, alarms=(*found.alarms, *alarms([why])))
