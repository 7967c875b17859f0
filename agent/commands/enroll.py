"""`mrv-agent enroll`: ask the office to be admitted, and take its approval in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from agent import config, enrol, keys
from agent.commands.common import add_json, command, state_of
from agent.config import Setup
from drivers.commands.common import emit, language
from mrv import enrolment
from mrv.errors import BadInput, Refused, fault
from mrv.messages import sentence


def add(commands: Any) -> None:
    example = (
        "mrv-agent enroll --dir /etc/mrv-agent                       write the request, print its fingerprint\n"
        "  mrv-agent enroll --dir /etc/mrv-agent --accept long-an-2.approval"
    )
    parser = command(commands, "enroll", "write a request to join, or accept the office's approval", example)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the request (default: D/SITE.request)")
    parser.add_argument("--accept", type=Path, metavar="FILE", help="the office's approval")
    parser.add_argument("--fingerprint", metavar="DIGITS", help="of the approval, as the office reads it out")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    setup = config.load(arguments.dir)
    return _accept(arguments, setup) if arguments.accept else _request(arguments, setup)


def _request(arguments: argparse.Namespace, setup: Setup) -> int:
    state, site = state_of(arguments), setup.site.site
    key = keys.load(state, keys.origin(setup.site.org, site))
    paper = enrol.request(setup, key.vkey, enrol.door_key(state, make=True))
    path: Path = arguments.out or arguments.dir / f"{site}.request"
    enrol.write(path, paper, 0o644)
    enrol.write(state / enrol.FOLDER / enrol.REQUEST_FILE, paper, 0o600)
    if arguments.json:
        emit({"file": str(path), "fingerprint": enrolment.fingerprint(paper), "vkey": key.vkey})
        return 0
    said = fault("agent.enroll_requested", str(path), fingerprint=enrolment.fingerprint(paper))
    print(sentence(said, language(arguments.lang)))
    return 0


def _accept(arguments: argparse.Namespace, setup: Setup) -> int:
    state, where, tongue = state_of(arguments), str(arguments.accept), language(arguments.lang)
    try:
        paper = arguments.accept.read_bytes()
    except OSError as error:
        raise BadInput(fault("agent.cannot_read", where, problem=error.strerror)) from error
    approval = enrol.accept(paper, enrol.asked(state), enrol.door_key(state, make=False), setup.site.site, where)
    _compared(arguments.fingerprint, paper, where, tongue)
    enrol.install(state, approval)
    changes = enrol.differences(approval, setup.site.collector)
    if arguments.json:
        emit({"certificate_ends": enrol.ends(approval).isoformat(), "site_yaml": changes})
        return 0
    print(sentence(fault("agent.enroll_accepted", ends=enrol.ends(approval).date()), tongue))
    if changes:
        print(sentence(fault("agent.enroll_edit", str(arguments.dir / config.SITE_FILE)), tongue))
        print("\n".join(["collector:", *(f"  {name}: {value}" for name, value in changes.items())]))
    return 0


def _compared(said: str | None, paper: bytes, where: str, tongue: str) -> None:
    """A person must have compared the fingerprint with the office. Raises Refused when that was not so."""
    if said is None and sys.stdin.isatty():
        print(sentence(fault("agent.enroll_compare", where), tongue))
        said = input("> ")
    if said is None:
        raise Refused(fault("agent.fingerprint_missing", where))
    if not enrolment.same(said, paper):
        raise Refused(fault("agent.fingerprint_differs", where, found=enrolment.fingerprint(paper)))
