"""`mrv-agent accept`: a named person lets a held meter count again, where that may be decided at the site.

What may: a new firmware in the same meter with the same settings. Another serial number, other settings, a counter that
jumped: those are the office's, which approves a new binding. Writes one record into the spool; the agent takes it up.
"""

from __future__ import annotations

import argparse
from typing import Any

from agent import health
from agent.commands.common import add_json, command, now, state_of
from drivers import spool
from drivers.commands.common import emit, language
from mrv.commissioning import Record
from mrv.errors import BadInput, Refused, fault
from mrv.identity import SITE_MAY_ACCEPT
from mrv.messages import sentence

#: The alarms of a hold (agent.health).
HELD = frozenset({"agent.held_identity", "agent.held_counter"})


def add(commands: Any) -> None:
    example = 'mrv-agent accept pv-main --who "Nguyen Van A" --note "firmware 1.4 by the maker, form 12"'
    parser = command(commands, "accept", "let a held meter count again, in your name", example)
    parser.add_argument("meter", help="the meter's id in site.yaml")
    parser.add_argument("--who", required=True, help="your name: you answer for it")
    parser.add_argument("--note", default="", help="why, and which paper says so")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    status, tongue = health.read(state_of(arguments), now()), language(arguments.lang)
    if arguments.meter not in status.meters:
        known = ", ".join(sorted(status.meters))
        raise BadInput(fault("agent.accept_unknown_meter", arguments.meter, known=known))
    held = [alarm for alarm in status.alarms if alarm.where == arguments.meter and alarm.code in HELD]
    if not held:
        raise Refused(fault("agent.accept_nothing", arguments.meter))
    reasons = [alarm.params["reason"] for alarm in held]
    if beyond := sorted(set(reasons) - SITE_MAY_ACCEPT):
        raise Refused(fault("agent.accept_not_here", arguments.meter, reasons=", ".join(beyond)))
    details = {"reasons": ", ".join(reasons)} | ({"note": arguments.note} if arguments.note else {})
    record = Record(event="accepted", meter=arguments.meter, who=arguments.who, made=now(), details=details)
    path = spool.put(arguments.dir, record)
    if arguments.json:
        emit({"record": str(path), "reasons": reasons})
    else:
        print(sentence(fault("agent.accepted", arguments.meter), tongue))
    return 0
