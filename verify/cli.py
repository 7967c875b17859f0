"""`mrv-verify`: exported logs in, findings out, without asking anybody.

It trusts the keys it is given and nothing else. Keys named on the command line come from the project's papers; those in
the manifest come from the office under audit, which is said aloud. So it is with plan and binding.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mrv.errors import Fault, MrvError
from mrv.findings import faults_json, lines, report_json
from mrv.messages import LANGUAGES, sentence, spoken, text
from verify import approved, reported
from verify.approved import Brought
from verify.folder import found, load
from verify.logs import Keys, Log, across, opened
from verify.records import Papers, comparisons
from verify.reported import Claimed

EPILOG = """examples:
  mrv-verify audit-2026
  mrv-verify audit-2026 --key 'example.vn/mrv/factory-1/k1+1234abcd+AQ...' --cosigner 'example.vn/mrv/collector+...'
  mrv-verify audit-2026 --plan plan.yaml --binding binding.json --report pv.json

A folder is one log, or holds those of several keys and sites; several folders are judged together. With several logs
--json prints `logs`, one document for each, and `findings` of what is between them.

exit codes:
  0  clean: every signature and root holds, every figure was computed again and is equal, every summary admitted
  1  something was found
  2  wrong use, or a folder that is no export"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="mrv-verify",
        description="Checks exported logs: signatures, receipts, roots; settles every period again from raw words.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("folder", type=Path, nargs="+", help="from `mrv-collector export`")
    many: dict[str, Any] = {"action": "append", "default": []}
    made.add_argument("--key", metavar="VKEY", **many, help="a site's key, from the project's papers; may be repeated")
    made.add_argument("--cosigner", metavar="VKEY", **many, help="the collector's key, likewise; may be repeated")
    made.add_argument(
        "--plan", type=Path, metavar="FILE", **many, help="a version of the plan, likewise; repeated for every version"
    )
    made.add_argument(
        "--binding", type=Path, metavar="FILE", **many, help="the wiring that was agreed (binding.json), likewise"
    )
    made.add_argument(
        "--journal-head",
        metavar="SHA256",
        **many,
        help="head of the office's journal as an earlier audit wrote it down; once for each site",
    )
    made.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        **many,
        help="a monitoring report (`mrv-collector report --out FILE.json`) to compute again; may be repeated",
    )
    made.add_argument("--json", action="store_true", help="print JSON for scripts; instants are UTC milliseconds")
    made.add_argument("--lang", choices=LANGUAGES, help="language of messages (default: from LANG)")
    made.add_argument("--version", action="version", version=version("mrv-agent"))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """Everything that was looked at, and what was found of reports, papers and between the logs."""

    logs: tuple[Log, ...]
    claims: tuple[tuple[str, Claimed], ...]
    papers: tuple[Brought, ...]
    findings: tuple[Fault, ...]

    @property
    def clean(self) -> bool:
        return not self.findings and all(log.report.clean for log in self.logs)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    language = arguments.lang or spoken(os.environ)
    try:
        audited = _audited(arguments)
    except MrvError as error:
        for one in error.faults:
            print(sentence(one, language), file=sys.stderr)
        return 2
    if arguments.json:
        json.dump(_json(audited, language), sys.stdout, indent=2)
        print()
    else:
        print("\n".join(_lines(audited, language)))
    return 0 if audited.clean else 1


def _audited(arguments: argparse.Namespace) -> Audited:
    """Raises BadInput or Refused for what is no export, no key, no report, no plan."""
    keys = Keys.given(arguments.key, arguments.cosigner)
    folders = found(arguments.folder)
    logs = [opened(load(folder), keys, arguments.journal_head, alone=len(folders) == 1) for folder in folders]
    between = list(across(logs, keys))
    papers = approved.brought(arguments.plan, arguments.binding, logs)
    between += approved.compared(papers, logs)
    claims = tuple((str(path), reported.load(path)) for path in arguments.report)
    between += [wrong for path, claim in claims for wrong in reported.check(claim, logs, path)]
    if len(logs) == 1:  # one log: one report of everything
        only = logs[0]
        report = replace(only.report, findings=(*only.report.findings, *between))
        return Audited(logs=(replace(only, report=report),), claims=claims, papers=papers, findings=())
    return Audited(logs=tuple(logs), claims=claims, papers=papers, findings=tuple(between))


def _json(audited: Audited, language: str) -> dict[str, Any]:
    documents = [_log_json(log, language) for log in audited.logs]
    if len(documents) == 1:
        return documents[0]
    return {"clean": audited.clean, "findings": faults_json(audited.findings, language), "logs": documents}


def _log_json(log: Log, language: str) -> dict[str, Any]:
    said = {"keys_from_manifest": list(log.claimed), "journal": _journal_json(log.papers)}
    return report_json(log.report, language) | said


def _lines(audited: Audited, language: str) -> Iterator[str]:
    told: list[str] = []
    for log in audited.logs:
        yield _journal_line(log.papers)
        yield from lines(log.report, language)
        told += comparisons(log.exported, log.papers.journal, language)
    wrong = [one for log in audited.logs for one in log.report.findings] + list(audited.findings)
    yield from (f"finding: {sentence(one, language)}" for one in audited.findings)
    for path, _ in audited.claims:
        same = not any(one.where.startswith(path) for one in wrong)
        yield text("verify.report_equal" if same else "verify.report_unequal", language, report=path)
    yield from dict.fromkeys(told)
    for paper in audited.papers:
        code = "verify.paper_approved" if approved.same(paper, audited.logs) else "verify.paper_unknown"
        yield text(code, language, kind=paper.kind, path=paper.path, digest=paper.digest)
    missing = [kind for kind in ("plan", "binding") if kind not in {paper.kind for paper in audited.papers}]
    if missing:
        yield text("verify.approvals_claimed", language, options=", ".join(f"--{kind}" for kind in missing))
    claimed = dict.fromkeys(name for log in audited.logs for name in log.claimed)
    if claimed:
        yield text("verify.keys_claimed", language, keys=", ".join(f"--{name}" for name in claimed))


def _journal_json(papers: Papers) -> dict[str, Any]:
    found = papers.journal
    return {
        "head": found.head or None,
        "lines": found.size,
        "records": len(found.standing),
        "papers_named": papers.named,
        "papers_kept": papers.kept,
        "compared": found.compared,
    }


def _journal_line(papers: Papers) -> str:
    found = papers.journal
    if not found.size:
        return "no journal of office records"
    return (
        f"journal: {found.size} lines, {len(found.standing)} records standing, {papers.kept} of {papers.named} papers "
        f"kept; head {found.head}"
    )
