"""`mrv-collector summaries`: each period of each site, what the site says of it and whether it counts."""

from __future__ import annotations

import argparse
from typing import Any

from collector.archive import Archive
from collector.commands.common import add_folder, add_json, emit, opened, show
from collector.config import Folder
from collector.verdicts import decode_faults
from mrv import leaf, period
from mrv.findings import faults_json
from mrv.leaf import Summary, Usage

EXAMPLE = "example:\n  mrv-collector summaries --dir office --site factory-1 --json"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "summaries",
        help="list summaries and their verdicts",
        description="One line for each summary received. Reductions are indicative; only admitted summaries count.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder(parser)
    parser.add_argument("--site", help="only this site")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    with opened(Folder(arguments.dir)) as office:
        if arguments.site is not None:
            office.know(arguments.site)
        rows = office.archive.verdicts(site=arguments.site)
        found = [_summary(office.archive, row, arguments.lang) for row in rows]
    if arguments.json:
        emit(found)
        return 0
    show("Summaries", ("site", "from", "to", "read", "kg CO2e", "verdict"), [_line(one) for one in found])
    return 0


def _summary(archive: Archive, row: Any, language: str) -> dict[str, Any]:
    """A verdict with what the summary leaf says, and the usage leaves right before it."""
    fact = leaf.decode(row.body)
    summary = fact if isinstance(fact, Summary) else None
    count = len(summary.usages) if summary else 0
    usages = map(leaf.decode, archive.leaves(row.origin, row.idx - count, row.idx, {"usage"}))
    return {
        "site": row.site,
        "origin": row.origin,
        "index": row.idx,
        "seq": row.seq,
        "from": row.start,
        "to": row.end,
        "digest": row.digest,
        "admitted": bool(row.admitted),
        "verdict": "admitted" if row.admitted else "quarantined",
        "reasons": faults_json(decode_faults(row.reasons), language),
        "judged": row.at,
        "expected": summary.expected if summary else None,
        "read": summary.read if summary else None,
        "gap": summary.gap if summary else None,
        "clock": summary.clock.value if summary else None,
        "projects": [_project(one) for one in summary.projects] if summary else [],
        "usages": [_usage(one) for one in usages if isinstance(one, Usage)],
    }


def _project(one: leaf.Indicative) -> dict[str, Any]:
    return {
        "project": one.project,
        "methodology": one.methodology,
        "status": one.status,
        "reference": one.reference,
        "emissions": one.emissions,
        "reduction": one.reduction,
        "missing": list(one.missing),
    }


def _usage(one: Usage) -> dict[str, Any]:
    registers = {
        obis: {"opening": r.opening, "closing": r.closing, "used": r.used} for obis, r in one.registers.items()
    }
    return {"meter": one.meter, "registers": registers, "flags": list(one.flags)}


def _line(one: dict[str, Any]) -> tuple[object, ...]:
    start, end = (period.shown(one[name]) for name in ("from", "to"))
    reductions = ", ".join(f"{p['project']} {p['reduction'] or '-'}" for p in one["projects"])
    reasons = "; ".join(reason["what"] for reason in one["reasons"])
    verdict = f"{one['verdict']}: {reasons}" if reasons else one["verdict"]
    return one["site"], start, end, f"{one['read']}/{one['expected']}", reductions, verdict
