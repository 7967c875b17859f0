"""What the commands share: the folder argument, the open office, output for people and for scripts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector import spool
from collector.archive import Archive
from collector.config import Folder, Identity, load, locked
from collector.database import opened as database_of
from collector.registry import Registry, SiteKey
from mrv.errors import BadInput, Unavailable, fault
from mrv.messages import LANGUAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An open collector folder."""

    folder: Folder
    identity: Identity
    archive: Archive
    registry: Registry

    def key(self, site: str, epoch: int | None = None) -> SiteKey:
        """The newest key of `site`, or that of `epoch`. Raises BadInput when there is none."""
        keys = [key for key in self.registry.keys(site) if epoch in (None, key.epoch)]
        if not keys:
            known = ", ".join(self.registry.sites()) or "none"
            raise BadInput(fault("collector.unknown_site", site, epoch=epoch or "", known=known))
        return keys[-1]

    def know(self, site: str) -> None:
        """Raise BadInput unless `site` is enrolled, with a key or still without one."""
        if site not in self.registry.sites():
            self.key(site)


@contextmanager
def opened(folder: Folder) -> Iterator[Office]:
    """The office in `folder`, for reading beside a running daemon or for writing under the lock."""
    identity = load(folder)
    database = database_of(folder)
    try:
        yield Office(folder=folder, identity=identity, archive=Archive(database), registry=Registry(database))
    finally:
        database.close()


def carried_out(
    folder: Folder, request: spool.AnyRequest, here: Callable[[Office], tuple[str, ...]]
) -> tuple[str, ...]:
    """The steps of `request`: made `here` while nobody holds the folder, else by the daemon that does."""
    try:
        with locked(folder), opened(folder) as office:
            return here(office)
    except Unavailable as error:
        if error.faults[0].code != "collector.locked":
            raise
    return spool.hand_over(folder, request)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """The arguments that every command has."""
    parser.add_argument("--dir", type=Path, default=Path(), metavar="C", help="the collector's folder (default: here)")
    parser.add_argument("--lang", choices=LANGUAGES, help="language of messages (default: from LANG)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; instants are UTC milliseconds")


def emit(values: Any) -> None:
    """One JSON document on stdout."""
    json.dump(values, sys.stdout, indent=2, ensure_ascii=False)
    print()


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in rows:
            print("\t".join(map(str, row)))
        return
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))  # not markup: some of it is a site's words
    Console().print(table)
