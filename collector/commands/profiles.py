"""`mrv-collector profiles`: the profiles of their own that sites may use, and letting one use another."""

from __future__ import annotations

import argparse
import json

from collector.commands import own
from collector.commands.common import emit, opened, show
from collector.config import Folder
from collector.own import approved
from mrv.period import shown

EXAMPLE = """examples:
  mrv-collector profiles list --dir office
  mrv-collector profiles approve our_meter.yaml --site factory-1 --dir office

Profiles are data (docs/profiles.md). One that came with this program is known to every judge. A site may bring another
along, in the folder `profiles` beside its site.yaml; nothing read with it counts until it is approved here. Read the
file first: whoever approves a profile says that its registers and scales are those of the meter's manual."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "profiles",
        help="list and approve profiles of sites' own",
        description="Meter profiles that sites bring along.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    below = parser.add_subparsers(required=True, metavar="WHAT")
    own.sub(below, "list", "list those approved, by site", _list)
    own.add_approve(below, "profile", "profiles")


def _list(arguments: argparse.Namespace) -> int:
    columns = ("site", "profile", "revision", "status", "digest", "approved", "by")
    with opened(Folder(arguments.dir)) as office:
        held = approved("profile", office.registry)
        lines = [line for line in office.registry.changes() if line.what == "profile"]
    rows = []
    for line in lines:
        digest = json.loads(line.detail)["digest"]
        found = held[digest]
        rows.append((line.site, found.id, found.revision, found.status, digest, shown(line.at), line.who))
    if arguments.json:
        emit([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show("Profiles of sites' own", columns, rows)
    return 0
