"""`mrv-agent status`: how the daemon and its meters are doing. Reads one small file, never the database."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from agent import health
from agent.commands.common import add_json, command, now, state_of
from agent.health import Meter, MeterState, Status
from drivers.commands.common import as_json, emit, headed, language, show
from drivers.dialogue import folded
from mrv.errors import Fault, fault
from mrv.messages import sentence, text

_TEXTS = {
    MeterState.OK: "tool.status_meter_ok",
    MeterState.WAITING: "tool.status_meter_waiting",
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
    print(text("tool.status_head", tongue, origin=status.origin, at=when(status.updated, tongue)))
    print("  " + text(f"tool.status_{status.state}", tongue))
    link = "up" if status.link_up else "down"
    print("  " + text(f"tool.status_link_{link}", tongue) + ", " + text(f"tool.status_clock_{status.clock}", tongue))
    print("  " + text("tool.status_closed", tongue, at=when(status.closed_until, tongue)))
    counts = {name: str(getattr(status.log, name)) for name in ("size", "signed", "received")}
    print("  " + text("tool.status_log", tongue, **counts) + "\n")
    rows = [
        (name, when(m.last_read, tongue), m.latency, m.answers, sum(m.errors.values()), _doing(m, tongue))
        for name, m in status.meters.items()
    ]
    show(headed(("meter", "last_reading", "latency", "answers", "missed", "state"), tongue), rows)
    said = [alarm.fault for alarm in status.alarms]
    for trouble in [*said, *_troubles(status.meters, said)]:
        print("\n" + folded(sentence(trouble, tongue), sys.stdout))


def _troubles(meters: Mapping[str, Meter], said: Iterable[Fault]) -> Iterator[Fault]:
    """What to do about each meter that asks for somebody, unless an alarm says it already."""
    told = {alarm.where for alarm in said}
    for name, meter in meters.items():
        if meter.failures and meter.why and name not in told:
            yield fault(f"meter.gap_{meter.why}", name)


def _doing(meter: Meter, tongue: str) -> str:
    """State and reason in words, with how many turns it has failed."""
    code = _TEXTS.get(meter.state) or f"meter.gap_{meter.why}"
    return text(code, tongue) + (f" ({meter.failures})" if meter.failures else "")


def when(ms: int | None, tongue: str) -> str:
    """An instant for people, UTC."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%SZ}" if ms else text("tool.status_never", tongue)
