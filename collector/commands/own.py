"""What `mrv-collector profiles` and `mrv-collector methodologies` share: their words, and `approve` of a site's own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from collector.admit import Admission
from collector.commands.common import Office, add_folder, add_json, carried_out, emit
from collector.commands.enroll import who
from collector.config import Folder, load
from collector.daemon import clock
from collector.own import KINDS, OwnRequest, What, carry_out
from mrv import leaf, strict
from mrv.errors import BadInput, fault


def sub(below: Any, name: str, text: str, command: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """One word below a command."""
    made: argparse.ArgumentParser = below.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    add_folder(made)
    add_json(made)
    made.set_defaults(command=command)
    return made


def add_approve(below: Any, what: What, folder: str) -> None:
    """The word `approve`; `folder` is where such files lie beside site.yaml."""
    made = sub(below, "approve", f"let a site use a {what} of its own", lambda arguments: _approve(arguments, what))
    made.add_argument("file", type=Path, metavar="FILE.yaml", help=f"as in the site's {folder} folder")
    made.add_argument("--site", required=True, help="site id")


def done(arguments: argparse.Namespace, did: str, steps: Sequence[str]) -> int:
    """Say which steps were made."""
    if arguments.json:
        emit({"did": did, "steps": list(steps)})
    else:
        print(", ".join(steps) or "nothing to change")
    return 0


def _approve(arguments: argparse.Namespace, what: What) -> int:
    folder, where = Folder(arguments.dir), str(arguments.file)
    load(folder)
    try:
        text = strict.as_text(arguments.file.read_bytes(), where)
    except OSError as error:
        raise BadInput(fault("collector.file_unreadable", where, problem=error.strerror)) from error
    found = strict.decode(text, KINDS[what].type, where).value
    body = leaf.canonical(found).decode()
    request = OwnRequest(what=what, who=who(), site=arguments.site, body=body)

    def here(office: Office) -> tuple[str, ...]:
        steps = carry_out(request, office.registry, clock())
        Admission(office.archive, office.registry).judge_again(request.site, clock())
        return steps

    return done(arguments, "approve", carried_out(folder, request, here))
