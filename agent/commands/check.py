"""`mrv-agent check`: what `run` would start with, or everything that keeps it from starting."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from agent import config, keys
from agent.commands.common import add_json, as_json, command, emit, language, state_of
from agent.config import Setup
from mrv import leaf
from mrv.errors import Fault, Refused, fault
from mrv.messages import sentence
from mrv.reading import ClockState


def add(commands: Any) -> None:
    example = "mrv-agent check --dir /etc/mrv-agent --binding-out binding.json"
    parser = command(commands, "check", "check both files and the key, all faults at once, and print digests", example)
    parser.add_argument("--binding-out", type=Path, metavar="FILE", help="write the binding the office has to approve")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    setup = config.load(arguments.dir)
    key = keys.load(state_of(arguments), keys.origin(setup.site.org, setup.site.site))
    if arguments.binding_out:
        _write(arguments.binding_out, leaf.canonical(setup.binding))
    tongue = language(arguments.lang)
    found: dict[str, Any] = {
        "site": setup.site.site,
        "origin": key.name,
        "vkey": key.vkey,
        "plan": setup.plan_digest,
        "binding": setup.binding_digest,
    }
    notes = list(_notes(setup))
    if arguments.json:
        emit(found | {"notes": [as_json(note, tongue) for note in notes]})
        return 0
    for name, value in found.items():
        print(f"{name:8} {value}")
    for note in notes:
        print(sentence(note, tongue))
    return 0


def _notes(setup: Setup) -> list[Fault]:
    """What is allowed and probably not meant."""
    found = []
    if config.example_cosigner() in setup.site.collector.cosigners:
        found.append(fault("agent.example_cosigner", config.SITE_FILE))
    if setup.site.clock.sync == "assumed" and ClockState.INFORMATIVE not in setup.plan.clock:
        found.append(fault("agent.clock_never_accepted", config.SITE_FILE, accepted=", ".join(setup.plan.clock)))
    return found


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Refused(fault("agent.cannot_write", str(path), problem=error.strerror)) from error
