"""`mrv-agent status`: how the daemon and its meters are doing. Reads one small file, never the database."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

import msgspec

from agent import health
from agent.commands.common import add_json, command, now, state_of
from agent.health import Meter, MeterState, Status
from drivers.commands.common import as_json, emit, language, show
from mrv.messages import sentence, text

_TEXTS = {
    MeterState.QUARANTINED: "meter.gap_quarantined",
    MeterState.ASLEEP: "meter.gap_asleep",
    MeterState.WAKING: "agent.meter_waking",
    MeterState.STALE: "agent.meter_stale",
    MeterState.MAINTENANCE: "meter.gap_maintenance",
}


def add(commands: Any) -> None:
    parser = command(commands, "status", "show meters, log, connection and alarms", "mrv-agent status --json")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when nothing needs attention, 1 otherwise."""
    status, tongue = health.read(state_of(arguments), now()), language(arguments.lang)
    if arguments.json:
        said = msgspec.to_builtins(status)
        emit(said | {"alarms": [as_json(alarm.fault, tongue) for alarm in status.alarms]})
    else:
        _print(status, tongue)
    return 1 if status.alarms or any(meter.failures for meter in status.meters.values()) else 0


def _print(status: Status, tongue: str) -> None:
    link = "up" if status.link_up else "down"
    print(f"{status.origin}: {status.state} (pid {status.pid}), as of {when(status.updated)}")
    print(f"clock {status.clock}, link {link}, periods closed until {when(status.closed_until)}")
    print(f"log {status.log.size} leaves, {status.log.signed} signed, {status.log.received} acknowledged\n")
    rows = [
        (name, when(meter.last_read), meter.latency, meter.answers, sum(meter.errors.values()), _doing(meter, tongue))
        for name, meter in status.meters.items()
    ]
    show(("meter", "last reading", "ms", "answers", "missed", "state"), rows)
    for alarm in status.alarms:
        print("\n" + sentence(alarm.fault, tongue))


def _doing(meter: Meter, tongue: str) -> str:
    """State and reason in words, with how many turns it has failed."""
    if meter.state in (MeterState.OK, MeterState.WAITING):
        return str(meter.state)
    code = _TEXTS.get(meter.state) or f"meter.gap_{meter.why}"
    return text(code, tongue) + (f" ({meter.failures})" if meter.failures else "")


def when(ms: int | None) -> str:
    """An instant for people, UTC."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%SZ}" if ms else "never"
