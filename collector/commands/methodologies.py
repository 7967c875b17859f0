"""`mrv-collector methodologies`: look at equations, compare them with the approved text, admit a site's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from collector import documents
from collector.commands import own
from collector.commands.common import carried_out, emit, opened, show
from collector.commands.enroll import who
from collector.config import Folder, load
from collector.daemon import clock
from collector.methodologies import MethodologyRequest, carry_out, methodologies, released
from mrv import leaf
from mrv.errors import BadInput, fault
from mrv.methodology.catalogue import Methodology

EXAMPLE = """examples:
  mrv-collector methodologies list --dir office
  mrv-collector methodologies show VN_AM007_ver01.0 --dir office
  mrv-collector methodologies verify VN_AM007_ver01.0 --pdf VN_AM007.pdf --person 'Nguyen Van A' --dir office
  mrv-collector methodologies approve OUR_PUMPS.yaml --site factory-1 --dir office

`verify` asks for each equation where it stands in the PDF; only when all are found is the comparison recorded, with the
PDF's hash, the person and the day. Until then whatever is computed with it is provisional, and not for submission."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "methodologies",
        help="list, show, verify, approve methodologies",
        description="Methodologies are data (docs/methodologies.md).",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    below = parser.add_subparsers(required=True, metavar="WHAT")
    own.sub(below, "list", "list those known here", _list)
    one = own.sub(below, "show", "show symbols, equations and sources of one", _show)
    one.add_argument("name", metavar="NAME", help="such as VN_AM007_ver01.0")
    compared = own.sub(below, "verify", "compare one with its approved text", _verify)
    compared.add_argument("name", metavar="NAME", help="such as VN_AM007_ver01.0")
    compared.add_argument("--pdf", type=Path, required=True, metavar="FILE", help="the approved text; kept here")
    compared.add_argument("--person", required=True, help="who compares, by name")
    compared.add_argument(
        "--at", action="append", default=[], metavar="SYMBOL=PLACE", help='where its equation stands: "RE_p=p. 5, (1)"'
    )
    own.add_approve(below, "methodology", "methodologies")


def _list(arguments: argparse.Namespace) -> int:
    with opened(Folder(arguments.dir)) as office:
        held, compared = methodologies(office.registry), office.registry.compared()
    rows = [
        (name, one.title, "compared" if _digest(one) in compared else one.status, "yes" if released(one) else "no")
        for name, one in held.items()
    ]
    if arguments.json:
        emit([dict(zip(("name", "title", "status", "released"), row, strict=True)) for row in rows])
    else:
        show("Methodologies", ("name", "title", "status", "released"), rows)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with opened(Folder(arguments.dir)) as office:
        found, compared = _named(office, arguments.name), office.registry.compared()
    record = compared.get(_digest(found))
    if arguments.json:
        emit({"name": found.name, "digest": _digest(found), "equations": list(found.equations), "compared": record})
        return 0
    print(f"{found.name}  {found.title}  ({'compared' if record else found.status})\n{_digest(found)}\n")
    _print_equations(found, record or {})
    symbols = [(name, q.kind, q.per, q.unit, q.description) for name, q in found.symbols.items()]
    show("Symbols", ("symbol", "kind", "per", "unit", "what"), symbols)
    show("Sources", ("read", "where", "what"), [(str(s.read), s.url, s.what) for s in found.sources])
    for key, value in (record or {}).items():
        print(f"{key}: {value}")
    return 0


def _print_equations(found: Methodology, record: dict[str, str]) -> None:
    """Our equations on the left, beside each where it stands in the approved text."""
    rows = [(one.text, record.get(f"at {one.name}", "")) for one in found.parsed]
    show("Equations", ("here", "in the approved text"), rows)


def _verify(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    load(folder)
    with opened(folder) as office:
        found = _named(office, arguments.name)
    if not _is_pdf(arguments.pdf):
        raise BadInput(fault("collector.not_a_pdf", str(arguments.pdf)))
    places = dict(part.partition("=")[::2] for part in arguments.at)
    if not places and sys.stdin.isatty():
        places = _asked(found)
    request = MethodologyRequest(
        who=who(),
        name=found.name,
        pdf=documents.keep(folder.documents, arguments.pdf),
        person=arguments.person,
        places={one.name: places[one.name] for one in found.parsed if one.name in places},
    )
    steps = carried_out(folder, request, lambda office: carry_out(request, office.registry, clock()))
    return own.done(arguments, "verify", steps)


def _asked(found: Methodology) -> dict[str, str]:
    """Where the person finds each equation; an empty answer is none."""
    places = {}
    for one in found.parsed:
        used = [f"{name} [{q.unit}] {q.description}" for name, q in found.symbols.items() if name in one.text]
        print(f"\n{one.text}\n  " + "\n  ".join(used))
        places[one.name] = input("page and number in the PDF, empty if it is not there or differs: ")
    return places


def _is_pdf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(5) == b"%PDF-"
    except OSError as error:
        raise BadInput(fault("collector.file_unreadable", str(path), problem=error.strerror)) from error


def _named(office: Any, name: str) -> Methodology:
    held = methodologies(office.registry)
    if name not in held:
        raise BadInput(fault("plan.methodology_unknown", methodology=name, known=", ".join(held)))
    return held[name]


def _digest(found: Methodology) -> str:
    return leaf.digest(leaf.canonical(found))
