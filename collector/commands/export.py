"""`mrv-collector export`: a folder that `mrv-verify` checks without us."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from collector import journal
from collector.commands.common import add_folder, add_json, emit, opened
from collector.config import Folder
from collector.export import Papers, manifest, write

EXAMPLE = "example:\n  mrv-collector export factory-1 --dir office --out audit-2026 && mrv-verify audit-2026"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "export",
        help="write a site's log into a folder for an auditor",
        description="Writes leaves, checkpoints, newest receipt, the journal of records with its papers, and a "
        "manifest. The auditor takes the keys from "
        "elsewhere (the project's papers), not from the manifest.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("site", help="site id")
    add_folder(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="an empty or new folder")
    parser.add_argument("--epoch", type=int, help="key epoch (default: the newest)")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    with opened(Folder(arguments.dir)) as office:
        key = office.key(arguments.site, arguments.epoch)
        head = office.archive.head(key.origin)
        lines = journal.lines(office.archive.database, key.site)
        plans = office.registry.approved(key.site, "plan")
        papers = Papers(site=key.site, journal=lines, kept=office.folder.documents, plans=plans)
        says = manifest(head, key.vkey, office.identity.key.vkey, office.registry.approvals(key.site), papers)
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("leaves", total=head.size)
            write(office.archive, head, says, papers, arguments.out, lambda done: bar.update(task, completed=done))
    if arguments.json:
        emit({"origin": key.origin, "size": head.size, "folder": str(arguments.out)})
    else:
        print(f"{key.origin}: {head.size} leaves in {arguments.out}; check with: mrv-verify {arguments.out}")
    return 0
