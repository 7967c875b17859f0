"""`mrv-collector report`: the monitoring report of one project, from sealed and admitted usages."""

from __future__ import annotations

import argparse
import re
from datetime import date
from pathlib import Path

from rich.console import Console

from collector.commands.common import add_folder, add_json, emit, opened
from collector.config import Folder
from collector.daemon import clock
from collector.report import plain, template
from collector.report.cells import Page, label, letters, public
from collector.report.frame import Frame, said
from collector.report.gather import SAMPLES, Wish, gather
from collector.report.material import Material
from collector.report.patch import Workbook
from collector.report.sheets import lay_out
from mrv.errors import BadInput, fault
from mrv.messages import LANGUAGES

EXAMPLE = """examples:
  mrv-collector report --project pv --from 2026-01-01 --to 2026-12-31 --out pv-2026.xlsx --dir office
  mrv-collector report --project pv --from 2026-01-01 --to 2026-12-31 --public --out pv-2026-public.xlsx --dir office
  mrv-collector report --project pv --from 2026-01-01 --to 2026-12-31 --template MRS.xlsx --out filled.xlsx --dir office

The ending of --out chooses the form: .xlsx a workbook with live formulas, .json one document, none a folder of CSV."""
_COLUMN = re.compile(r"([^!]+)!([A-Z]{1,2})")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "report",
        help="write a monitoring report",
        description="Computes the reductions of a project again from sealed, admitted usages, plan versions and office "
        "records, and writes every sheet a verifier asks for. Equal input gives equal bytes.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_period(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="FILE.xlsx, FILE.json, or a folder")
    parser.add_argument("--template", type=Path, metavar="FILE.xlsx", help="fill the input cells of this workbook")
    parser.add_argument(
        "--mapping", type=Path, metavar="FILE.yaml", help="which cell of the template gets which figure"
    )
    parser.add_argument("--public", action="store_true", help="copy for publication: confidential cells say XXX")
    parser.add_argument(
        "--confidential", action="append", default=[], metavar="SHEET!COLUMN", help="with --public: this column too"
    )
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=run)


def add_period(parser: argparse.ArgumentParser) -> None:
    """The arguments that name a report; `trace` has them too."""
    parser.add_argument("--project", required=True, help="project id of the monitoring plan")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True, metavar="DAY", help="first day")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True, metavar="DAY", help="last day")
    parser.add_argument("--site", help="where two sites have a project of this name")
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, metavar="N", help="readings to sample (default: %(default)s)"
    )
    parser.add_argument("--labels", default=",".join(LANGUAGES), help="languages of labels (default: %(default)s)")


def wish(arguments: argparse.Namespace) -> Wish:
    """Raises BadInput for a period that ends before it begins."""
    if arguments.last < arguments.first:
        raise BadInput(fault("collector.period_backwards", str(arguments.first), last=arguments.last))
    return Wish(
        project=arguments.project,
        first=arguments.first,
        last=arguments.last,
        site=arguments.site,
        samples=max(0, arguments.samples),
    )


def languages(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The languages of labels. Raises BadInput for one that has none."""
    named = tuple(arguments.labels.split(","))
    if strange := [name for name in named if name not in LANGUAGES]:
        raise BadInput(fault("collector.labels_unknown", ", ".join(strange), known=", ".join(LANGUAGES)))
    return named


def run(arguments: argparse.Namespace) -> int:
    named, hidden = languages(arguments), _hidden(arguments)
    with opened(Folder(arguments.dir)) as office, Console(stderr=True).status("counting sealed usages"):
        material, _ = gather(office, wish(arguments), clock())
    pages = lay_out(material, named)
    if arguments.template is not None:
        done = _fill(arguments, material, pages)
    else:
        done = _write(arguments, material, public(pages, hidden) if arguments.public else pages)
    _say(arguments, material, done)
    return 0


def _hidden(arguments: argparse.Namespace) -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for text in arguments.confidential:
        match = _COLUMN.fullmatch(text)
        if match is None or not arguments.public:
            raise BadInput(fault("collector.not_a_column", text))
        column = next(number for number in range(1, 703) if letters(number) == match[2])
        found[match[1]] = found.get(match[1], frozenset()) | {column}
    return found


def _write(arguments: argparse.Namespace, material: Material, pages: tuple[Page, ...]) -> str:
    out: Path = arguments.out
    crediting = material.crediting
    match out.suffix.lower():
        case ".xlsx":
            from collector.report import workbook  # its library is an extra

            footer = f"{crediting.project} {arguments.first} {arguments.last}"
            if crediting.not_for_submission:
                footer += f" {label('not_for_submission', ('en',))}"
            workbook.write(pages, out, at=crediting.end, footer=footer)
        case ".json":
            plain.write_json(pages, None if arguments.public else material, out)
        case "":
            plain.write_csv(pages, out)
        case ending:
            raise BadInput(fault("collector.report_form", str(out), ending=ending))
    return f"{len(pages)} sheets"


def _fill(arguments: argparse.Namespace, material: Material, pages: tuple[Page, ...]) -> str:
    if arguments.out.suffix.lower() != arguments.template.suffix.lower():
        raise BadInput(fault("collector.report_form", str(arguments.out), ending=arguments.out.suffix))
    book = Workbook(arguments.template)
    if arguments.mapping is not None:
        try:
            text = arguments.mapping.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(fault("collector.file_unreadable", str(arguments.mapping), problem=error)) from error
        count = template.fill_mapped(book, pages, template.mapping(text, str(arguments.mapping)))
    else:
        count = template.fill(book, Frame(crediting=material.crediting))
    book.save(arguments.out)
    return f"{count} cells of {arguments.template.name}"


def _say(arguments: argparse.Namespace, material: Material, done: str) -> None:
    crediting = material.crediting
    if arguments.json:
        vintages = [
            {"year": v.year, "tonnes": v.tonnes, "near_integer": v.near_integer, "missing": list(v.missing)}
            for v in crediting.vintages
        ]
        reasons = [said(found) for found in crediting.not_for_submission]
        emit(
            {"out": str(arguments.out), "tonnes": crediting.tonnes, "vintages": vintages, "not_for_submission": reasons}
        )
        return
    for vintage in crediting.vintages:
        tonnes = f"{vintage.tonnes} tCO2e" if vintage.tonnes is not None else f"missing {', '.join(vintage.missing)}"
        print(f"{vintage.year}: {tonnes}{' (within 1e-6 t of a whole tonne)' * vintage.near_integer}")
    for found in crediting.not_for_submission:
        print(f"{label('not_for_submission', (arguments.lang,))}: {said(found, arguments.lang)}")
    print(f"{arguments.out}: {done}")
