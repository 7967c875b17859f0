"""What the commands share: folder and language arguments, output for people and for scripts.

The table library is loaded only where a table is drawn on a terminal, never by `run`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mrv.errors import Fault
from mrv.messages import LANGUAGES, next_step, sentence, spoken, what

STATE_FOLDER = "state"


def command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, does: str, example: str) -> Any:
    """A subcommand with the arguments every command has."""
    parser = commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", type=Path, default=Path(), metavar="D", help="folder of site.yaml (default: here)")
    parser.add_argument("--state", type=Path, metavar="S", help="folder of key and log (default: D/state)")
    parser.add_argument("--lang", choices=LANGUAGES, help="language of messages (default: from LANG)")
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; instants are UTC milliseconds")


def state_of(arguments: argparse.Namespace) -> Path:
    """The state directory in use."""
    given: Path | None = arguments.state
    folder: Path = arguments.dir
    return given or folder / STATE_FOLDER


def now() -> int:
    """UTC ms."""
    return time.time_ns() // 1_000_000


def language(given: str | None) -> str:
    """`--lang`, else what the environment asks for."""
    return given or spoken(os.environ)


def emit(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    print()


def as_json(fault: Fault, tongue: str) -> dict[str, Any]:
    """A fault for scripts, with its text for logs."""
    said = {"what": what(fault, tongue), "next": next_step(fault, tongue)}
    return {"code": fault.code, "where": fault.where, "params": fault.params, **said}


def complain(faults: Iterable[Fault], tongue: str, *, as_document: bool) -> None:
    """Every fault: as JSON on stdout, or what / where / next on stderr."""
    if as_document:
        emit({"faults": [as_json(fault, tongue) for fault in faults]})
        return
    for fault in faults:
        print(sentence(fault, tongue), file=sys.stderr)


def show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal; tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in rows:
            print("\t".join(map(str, row)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)
