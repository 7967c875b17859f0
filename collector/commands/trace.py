"""`mrv-collector trace`: from a cell of a report down to the words on the wire."""

from __future__ import annotations

import argparse

from rich.console import Console

from collector.commands.common import add_folder, add_json, emit, opened, show
from collector.commands.report import add_period, languages, wish
from collector.config import Folder
from collector.daemon import clock
from collector.report.gather import gather
from collector.report.sheets import lay_out
from collector.report.trace import Sources, exact, figures, lines, trace

EXAMPLE = """examples:
  mrv-collector trace 'input!E8' --project pv --from 2026-01-01 --to 2026-12-31 --dir office
  mrv-collector trace --project pv --from 2026-01-01 --to 2026-12-31 --dir office      list what can be traced"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "trace",
        help="follow a figure of a report to its raw words",
        description="Ledger lines, sealed usages, leaves (origin and index), readings and raw words behind a cell, "
        "decoded again. Name the report as it was made.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("figure", nargs="?", metavar="SHEET!CELL", help="cell of the workbook; without one: a list")
    add_period(parser)
    parser.add_argument("--all", action="store_true", help="every usage, not only the first and the last")
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    named = languages(arguments)
    with opened(Folder(arguments.dir)) as office, Console(stderr=True).status("counting sealed usages"):
        material, usages = gather(office, wish(arguments), clock())
        pages = lay_out(material, named)
        if arguments.figure is None:
            _list([(address, exact(cell.value), cell.formula or "") for address, cell in figures(pages)], arguments)
            return 0
        sources = Sources(material=material, pages=pages, usages=usages, archive=office.archive)
        found = trace(sources, arguments.figure, every=arguments.all)
    if arguments.json:
        emit(found)
    else:
        print("\n".join(lines(found)))
    return 0


def _list(found: list[tuple[str, str | int | None, str]], arguments: argparse.Namespace) -> None:
    if arguments.json:
        emit([{"figure": address, "value": value, "formula": formula or None} for address, value, formula in found])
    else:
        show("Figures", ("figure", "value", "formula"), found)
