"""`mrv-collector export`: a folder that `mrv-verify` checks without us."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from collector import journal
from collector.archive import Head
from collector.commands.common import Office, add_folder, add_json, emit, opened
from collector.config import Folder
from collector.export import Papers, manifest, unused, write
from collector.registry import SiteKey

EXAMPLE = "example:\n  mrv-collector export factory-1 --dir office --out audit-2026 && mrv-verify audit-2026"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "export",
        help="write a site's log into a folder for an auditor",
        description="Writes leaves, checkpoints, newest receipt, the journal of records with its papers, and a "
        "manifest. A site that had several keys has a log of each: they become the folders k1, k2, ... in it. The "
        "auditor takes the keys from elsewhere (the project's papers), not from the manifest.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("site", help="site id")
    add_folder(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="an empty or new folder")
    parser.add_argument("--epoch", type=int, help="only the log of this key (default: all that received something)")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    with opened(Folder(arguments.dir)) as office:
        newest = office.key(arguments.site, arguments.epoch)
        keys = [key for key in office.registry.keys(newest.site) if office.archive.head(key.origin).note]
        if arguments.epoch is not None or len(keys) < 2:
            only = newest if arguments.epoch is not None else next(iter(keys), newest)
            done = [_export(office, only, arguments.out)]
        else:
            unused(arguments.out)
            done = [_export(office, key, arguments.out / f"k{key.epoch}") for key in keys]
    if arguments.json:
        logs = [{"origin": head.origin, "size": head.size, "folder": str(folder)} for head, folder in done]
        emit(logs[0] if len(logs) == 1 else {"folder": str(arguments.out), "logs": logs})
        return 0
    for head, folder in done:
        print(f"{head.origin}: {head.size} leaves in {folder}")
    print(f"check with: mrv-verify {arguments.out}")
    return 0


def _export(office: Office, key: SiteKey, folder: Path) -> tuple[Head, Path]:
    """The log of one key, with the papers of its site."""
    head = office.archive.head(key.origin)
    lines = journal.lines(office.archive.database, key.site)
    plans = office.registry.approved(key.site, "plan")
    papers = Papers(site=key.site, journal=lines, kept=office.folder.documents, plans=plans)
    says = manifest(head, key.vkey, office.identity.key.vkey, office.registry.approvals(key.site), papers)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("leaves", total=head.size)
        write(office.archive, head, says, papers, folder, lambda done: bar.update(task, completed=done))
    return head, folder
