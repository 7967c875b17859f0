"""`mrv-collector records`: invoices, papers, checks, sign-offs: entered once, never edited, each with who and when."""

from __future__ import annotations

import argparse
import getpass
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from collector import documents, journal, records
from collector.commands.common import Office, add_folder, add_json, carried_out, emit, opened, show
from collector.config import Folder, load
from collector.daemon import clock
from collector.form import form
from collector.records import RecordRequest
from mrv import period
from mrv import records as kinds
from mrv.errors import BadInput, fault
from mrv.findings import faults_json
from mrv.journal import Entry, Journal
from mrv.messages import sentence
from mrv.records import AnyRecord, CheckedLog, IntegrityCheck

EXAMPLE = """examples:
  mrv-collector records form invoice > invoice.yaml             then fill it in
  mrv-collector records add factory-1 invoice.yaml --dir office
  mrv-collector records list factory-1 --dir office
  mrv-collector records integrity-check factory-1 --month 2026-03 --who 'Nguyen Van A' --sound --dir office

In a file, `document: file:papers/march.pdf` stands for the SHA-256 of that paper; the paper is kept as well.
A mistake is corrected by a new record with `corrects: <digest>` and `why:`; nothing is ever edited."""
#: A value that names a file instead of its SHA-256.
_PAPER = re.compile(r"(?P<before>[:\[,] +)(?P<quote>[\"']?)file:(?P<path>[^\"'\n,\]}]+)(?P=quote)")
_MAX_TEXT = 2 * 1024 * 1024


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "records",
        help="office records: invoices, papers, checks, sign-offs",
        description="What the office adds to the meters' word. Every record is appended to the site's journal, which "
        "is hash-chained, exported with the site's log and judged by mrv-verify.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    below = parser.add_subparsers(required=True, metavar="WHAT")
    _form(below)
    _add(below)
    _list(below)
    _show(below)
    _check(below)


def _sub(below: Any, name: str, text: str, example: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = below.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  mrv-collector records {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def _form(below: Any) -> None:
    parser = _sub(below, "form", "print a form to fill in", "form exchange > exchange.yaml")
    parser.add_argument("kind", choices=sorted(kinds.KINDS), help="kind of record")
    parser.add_argument("--lang", help=argparse.SUPPRESS)
    parser.set_defaults(command=_run_form)


def _run_form(arguments: argparse.Namespace) -> int:
    print(form(kinds.KINDS[arguments.kind]), end="")
    return 0


def _add(below: Any) -> None:
    parser = _sub(below, "add", "enter the records of a file, all or none", "add factory-1 invoice.yaml --dir office")
    parser.add_argument("site", help="site id")
    parser.add_argument("file", type=Path, metavar="FILE.yaml", help="a list of records (`records form KIND`)")
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=_run_add)


def _run_add(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    load(folder)
    text, papers = with_papers(_text(arguments.file), arguments.file.parent)
    found = kinds.load(text, str(arguments.file)).value
    for paper in papers:
        documents.keep(folder.documents, paper)
    done = _enter(folder, arguments.site, found)
    if arguments.json:
        emit({"site": arguments.site, "records": list(done), "papers": len(papers)})
    else:
        for digest, one in zip(done, found, strict=True):
            print(f"{kinds.kind(one)} {digest}")
    return 0


def with_papers(text: str, below: Path) -> tuple[str, tuple[Path, ...]]:
    """`text` with each `file:PATH` replaced by the SHA-256 of that file (paths from `below`), and those files."""
    papers: dict[str, Path] = {}

    def named(found: re.Match[str]) -> str:
        path = below / found["path"].strip()
        papers[name := documents.digest(path)] = path
        return f"{found['before']}{name}"

    return _PAPER.sub(named, text), tuple(papers.values())


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(fault("collector.file_unreadable", str(path), problem=error)) from error


def _enter(folder: Folder, site: str, found: tuple[AnyRecord, ...]) -> tuple[str, ...]:
    """Enter here, or have the running daemon do it; the digests."""
    if not found:
        raise BadInput(fault("collector.no_records", site))
    request = RecordRequest(site=site, who=getpass.getuser(), records=found)
    return carried_out(
        folder, request, lambda office: records.record(request, office.registry, office.archive.database, clock())
    )


# -- looking -------------------------------------------------------------------------------------------------------


def _list(below: Any) -> None:
    parser = _sub(below, "list", "list the records of a site", "list factory-1 --dir office --kind invoice")
    parser.add_argument("site", help="site id")
    parser.add_argument("--kind", choices=sorted(kinds.KINDS), help="only this kind")
    parser.add_argument("--all", action="store_true", help="also what was corrected or withdrawn since")
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=_run_list)


def _run_list(arguments: argparse.Namespace) -> int:
    with opened(Folder(arguments.dir)) as office:
        held = _held(office, arguments.site)
        late = records.overdue(office.archive.database, office.registry, office.archive, arguments.site, clock())
    standing = {one.digest for one in held.standing}
    chosen = [one for one in held.entries if arguments.all or one.digest in standing]
    chosen = [one for one in chosen if arguments.kind in (None, kinds.kind(one.record))]
    if arguments.json:
        values = [_plain(one, holds=one.digest in standing) for one in chosen]
        faults = faults_json((*held.findings, *late), arguments.lang)
        emit({"site": arguments.site, "head": held.head, "lines": held.size, "records": values, "faults": faults})
        return 0
    columns = ("digest", "kind", "what", "who", "entered", "by", "holds")
    rows = [
        (
            one.digest[:16],
            kinds.kind(one.record),
            summary(one.record),
            one.record.who,
            period.shown(one.at),
            one.by,
            "yes" if one.digest in standing else "no",
        )
        for one in chosen
    ]
    show(f"Records of {arguments.site}", columns, rows)
    for found in (*held.findings, *late):
        print(sentence(found, arguments.lang))
    return 0


def _show(below: Any) -> None:
    parser = _sub(below, "show", "show one record whole", "show factory-1 3f2a --dir office")
    parser.add_argument("site", help="site id")
    parser.add_argument("digest", help="its digest, or the beginning of it")
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=_run_show)


def _run_show(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    with opened(folder) as office:
        held = _held(office, arguments.site)
    found = [one for one in held.entries if one.digest.startswith(arguments.digest)]
    if len(found) != 1:
        raise BadInput(fault("collector.record_unknown", arguments.site, digest=arguments.digest, count=len(found)))
    (one,) = found
    values = _plain(one, holds=one.digest in {each.digest for each in held.standing})
    papers = {name: str(documents.find(folder.documents, name) or "") for name in kinds.papers_of(one.record)}
    if arguments.json:
        emit(values | {"papers": papers})
        return 0
    for name, value in values.items():
        print(f"{name}: {msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else value}")
    for name, path in papers.items():
        print(f"paper {name}: {path or 'not kept here'}")
    return 0


def _held(office: Office, site: str) -> Journal:
    if site not in office.registry.sites():
        office.key(site)  # raises, with the sites that are known
    return journal.held(office.archive.database, site)


def _plain(one: Entry, *, holds: bool) -> dict[str, Any]:
    values = {"digest": one.digest, "number": one.number, "entered": one.at, "by": one.by, "holds": holds}
    return values | {"record": msgspec.to_builtins(one.record)}


def summary(record: AnyRecord) -> str:
    """A record in a few words, for one cell of a table."""
    plain = msgspec.to_builtins(record)
    names = (
        "title",
        "number",
        "month",
        "project",
        "symbol",
        "point",
        "serial",
        "about",
        "start",
        "at",
        "value",
        "unit",
    )
    return " ".join(str(plain[name]) for name in names if name in plain)


# -- the monthly check ---------------------------------------------------------------------------------------------


def _check(below: Any) -> None:
    parser = _sub(
        below,
        "integrity-check",
        "hash a site's logs again and sign the monthly check",
        "integrity-check factory-1 --month 2026-03 --who 'Nguyen Van A' --sound --dir office",
    )
    parser.add_argument("site", help="site id")
    parser.add_argument("--month", required=True, metavar="YYYY-MM", help="the month that was checked")
    parser.add_argument("--who", required=True, metavar="NAME", help="the person who answers for it")
    judged = parser.add_mutually_exclusive_group(required=True)
    judged.add_argument("--sound", action="store_true", help="nothing was found")
    judged.add_argument("--findings", metavar="TEXT", help="what was found")
    parser.add_argument("--paper", type=Path, metavar="FILE", help="the signed sheet, to be kept")
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=_run_check)


def _run_check(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    with opened(folder) as office:
        keys = (office.key(arguments.site), *office.registry.keys(arguments.site))[1:]
        logs = tuple(_log(office, key.origin) for key in keys)
        damaged = [key.origin for key in keys if not office.archive.intact(key.origin)]
    if damaged and arguments.sound:
        raise BadInput(fault("collector.check_not_sound", arguments.site, logs=", ".join(damaged)))
    paper = documents.keep(folder.documents, arguments.paper) if arguments.paper else None
    signed = IntegrityCheck(
        site=arguments.site,
        who=arguments.who,
        month=arguments.month,
        done=datetime.now(UTC).astimezone().date(),
        sound=arguments.sound,
        findings=arguments.findings,
        logs=logs,
        document=paper,
    )
    (digest,) = _enter(folder, arguments.site, (signed,))
    if arguments.json:
        emit({"site": arguments.site, "record": digest, "logs": msgspec.to_builtins(logs), "damaged": damaged})
    else:
        for log in logs:
            print(f"{log.origin}: {log.size} leaves, root {log.root[:16]}{' DAMAGED' * (log.origin in damaged)}")
        print(f"integrity_check {digest}")
    return 0 if arguments.sound else 1


def _log(office: Office, origin: str) -> CheckedLog:
    head = office.archive.head(origin)
    return CheckedLog(origin=origin, size=head.size, root=head.frontier.root().hex())
