"""`mrv-agent init`: two example files to edit, and the key that stays on this device."""

from __future__ import annotations

import argparse
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from agent import keys
from agent.commands.common import add_json, command, state_of
from agent.config import PLAN_FILE, SITE_FILE
from drivers.commands.common import emit, language
from drivers.wiring import ORGANISATION, SITE_ID
from mrv.errors import Fault, Refused, fault, raise_all
from mrv.messages import text

#: What the examples say, to be replaced by what was asked for.
EXAMPLE_SITE, EXAMPLE_ORG = "demo-factory", "example"


def add(commands: Any) -> None:
    example = "mrv-agent init --dir /etc/mrv-agent --site long-an-2 --org example.vn"
    parser = command(commands, "init", "write site.yaml and plan.yaml to edit, and make this site's key", example)
    parser.add_argument("--site", required=True, help="site id: lower-case letters, digits, hyphens")
    parser.add_argument("--org", required=True, help="the organisation, as a domain name; it names the log")
    parser.add_argument("--force", action="store_true", help="overwrite the two files; the key is never overwritten")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    site, org, folder, state = arguments.site, arguments.org, arguments.dir, state_of(arguments)
    raise_all(_wrong_names(site, org))
    _make_folders(folder, state)
    if not arguments.force:
        present = [folder / name for name in (SITE_FILE, PLAN_FILE) if (folder / name).exists()]
        if present:
            raise Refused(*(fault("agent.file_exists", str(path)) for path in present))
    name = keys.origin(org, site)
    has_key = arguments.force and (state / keys.KEY_FILE).exists()
    key = keys.load(state, name) if has_key else keys.make(state, name)
    for file in (SITE_FILE, PLAN_FILE):
        (folder / file).write_text(example(file, site, org), encoding="utf-8")
    if arguments.json:
        emit({"dir": str(folder), "state": str(state), "vkey": key.vkey})
        return 0
    tongue = language(arguments.lang)
    print(text("tool.init_wrote", tongue, site=str(folder / SITE_FILE), plan=str(folder / PLAN_FILE)))
    print(text("tool.init_key", tongue, vkey=key.vkey))
    return 0


def example(file: str, site: str, org: str) -> str:
    """The example `file` for `site` and `org`."""
    given = (files("agent") / "examples" / file).read_text(encoding="utf-8")
    given = re.sub(rf"^site: {EXAMPLE_SITE}$", f"site: {site}", given, flags=re.M)
    return re.sub(rf"^org: {EXAMPLE_ORG}$", f"org: {org}", given, flags=re.M)


def _wrong_names(site: str, org: str) -> list[Fault]:
    asked = (("--site", site, SITE_ID), ("--org", org, ORGANISATION))
    return [
        fault("agent.bad_name", option, found=name, pattern=pattern)
        for option, name, pattern in asked
        if not re.fullmatch(pattern, name)
    ]


def _make_folders(folder: Path, state: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(fault("agent.cannot_write", str(error.filename), problem=error.strerror)) from error
