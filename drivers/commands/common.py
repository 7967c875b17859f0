"""What the commands of `mrv-meter` share: arguments, output for people and for scripts (`mrv-agent` prints by it too).

The table library is loaded only where a table is drawn on a terminal. Texts for people come from the catalogue
(domain `tool` for what is not a fault), never from here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from drivers.dialogue import folded
from mrv.errors import Fault
from mrv.messages import LANGUAGES, next_step, sentence, spoken, text, what


def command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, does: str, example: str) -> Any:
    """A subcommand with the arguments every command has."""
    parser = commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lang", choices=LANGUAGES, help="language of messages (default: from LANG)")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; instants are UTC milliseconds")
    return parser


def site_folder(parser: Any) -> None:
    """`--dir`: where the site's files are, and profiles of its own beside them."""
    parser.add_argument("--dir", type=Path, default=Path(), metavar="D", help="folder of site.yaml (default: here)")


def language(given: str | None) -> str:
    """`--lang`, else what the environment asks for."""
    return given or spoken(os.environ)


def emit(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    print()


def emit_line(value: Any) -> None:
    """One JSON document on a line of its own, at once: for commands that go on telling."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


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
        print(folded(sentence(fault, tongue), sys.stderr), file=sys.stderr)


def headed(columns: Sequence[str], tongue: str) -> tuple[str, ...]:
    """The headings `tool.column_<name>` of a table."""
    return tuple(text(f"tool.column_{name}", tongue) for name in columns)


def show(columns: Sequence[str], rows: Sequence[Sequence[object]], out: TextIO | None = None) -> None:
    """A table on a terminal; tab-separated lines elsewhere. `out`: where to (default: stdout)."""
    out = out if out is not None else sys.stdout
    if not out.isatty():
        print("\t".join(columns), file=out)
        for row in rows:
            print("\t".join(map(str, row)), file=out)
        return
    from rich.console import Console

    Console(file=out).print(drawn(columns, rows))


def drawn(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Any:
    """A table for a terminal: as narrow as it can be, and where that is not enough folded, never cut short."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))  # not markup: some of it is a meter's words
    return table
