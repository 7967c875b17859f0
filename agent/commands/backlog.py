"""`mrv-agent backlog`: what the office has not acknowledged yet."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from agent import health
from agent.commands.common import add_json, command, now, state_of
from agent.commands.status import when
from drivers.commands.common import emit, language
from mrv.messages import text


def add(commands: Any) -> None:
    parser = command(commands, "backlog", "show what waits for the office's receipt", "mrv-agent backlog --json")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    status = health.read(state_of(arguments), now())
    log = status.log
    if arguments.json:
        emit({"as_of": status.updated, **msgspec.to_builtins(log)})
        return 0
    tongue = language(arguments.lang)
    at = when(status.updated, tongue)
    print(text("tool.backlog", tongue, at=at, size=str(log.size), received=str(log.received)))
    if log.waiting:
        since = when(log.waiting_since, tongue)
        print(text("tool.backlog_waiting", tongue, count=str(log.waiting), since=since))
    return 0
