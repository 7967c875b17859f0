"""`mrv-verify`: an exported log in, findings out, without asking anybody.

It trusts the keys it is given and nothing else. Keys named on the command line come from the project's papers; those in
the manifest come from the office under audit, which is said aloud.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mrv.audit import Approvals, Report, SiteEvidence, audit
from mrv.errors import Fault, MrvError, fault
from mrv.findings import lines, report_json
from mrv.log.note import COSIGNATURE, NOTE, VerifyKey
from mrv.manifest import Manifest
from mrv.messages import LANGUAGES, sentence, spoken, text
from verify import reported
from verify.folder import Exported, load
from verify.records import Papers, judged

EPILOG = """examples:
  mrv-verify audit-2026
  mrv-verify audit-2026 --key 'example.vn/mrv/factory-1/k1+1234abcd+AQ...' --cosigner 'example.vn/mrv/collector+...'

exit codes:
  0  clean: every signature and root holds, every figure was computed again and is equal, every summary admitted
  1  something was found
  2  wrong use, or a folder that is no export"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="mrv-verify",
        description="Checks an exported log: signatures, receipts, roots; settles every period again from raw words.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("folder", type=Path, help="from `mrv-collector export`")
    made.add_argument("--key", metavar="VKEY", help="the site's key, from the project's papers")
    made.add_argument(
        "--cosigner", metavar="VKEY", action="append", default=[], help="the collector's key, likewise; may be repeated"
    )
    made.add_argument(
        "--journal-head", metavar="SHA256", help="head of the office's journal as an earlier audit wrote it down"
    )
    made.add_argument(
        "--report",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.json",
        help="a monitoring report (`mrv-collector report --out FILE.json`) to compute again; may be repeated",
    )
    made.add_argument("--json", action="store_true", help="print JSON for scripts; instants are UTC milliseconds")
    made.add_argument("--lang", choices=LANGUAGES, help="language of messages (default: from LANG)")
    made.add_argument("--version", action="version", version=version("mrv-agent"))
    return made


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    language = arguments.lang or spoken(os.environ)
    try:
        exported = load(arguments.folder)
        report = _judged(exported, arguments.key, arguments.cosigner)
        papers = judged(exported, _site(exported.manifest.origin), arguments.journal_head)
        claims = [(str(path), reported.load(path)) for path in arguments.report]
        wrong = [found for path, claim in claims for found in reported.check(claim, exported, report, path)]
        report = replace(report, findings=(*exported.faults, *report.findings, *papers.findings, *wrong))
    except MrvError as error:
        for found in error.faults:
            print(sentence(found, language), file=sys.stderr)
        return 2
    claimed = [name for name, given in (("key", arguments.key), ("cosigner", arguments.cosigner)) if not given]
    if arguments.json:
        values = report_json(report, language) | {"keys_from_manifest": claimed, "journal": _journal_json(papers)}
        json.dump(values, sys.stdout, indent=2)
        print()
    else:
        print(_journal_line(papers))
        print("\n".join(lines(report, language)))
        for path, claim in claims:
            same = not any(found.where.startswith(path) for found in wrong)
            print(text("verify.report_equal" if same else "verify.report_unequal", language, report=path))
            for digest, said in sorted((claim.basis.compared if claim.basis else {}).items()):
                told = {"digest": digest[:16], "name": said.get("name", "?"), "person": said.get("person", "?")}
                print(text("verify.compared_claimed", language, **told))
        print(text("verify.approvals_claimed", language))
        if claimed:
            print(text("verify.keys_claimed", language, keys=", ".join(f"--{name}" for name in claimed)))
    return 0 if report.clean else 1


def _judged(exported: Exported, key: str | None, cosigners: Sequence[str]) -> Report:
    """The audit's report, with what is wrong with the files themselves. Raises BadInput or Refused for a bad key."""
    says = exported.manifest
    site_key = VerifyKey.parse(key or says.site_key)
    site_key.must_be(NOTE)
    keys = tuple(map(VerifyKey.parse, cosigners or says.cosigners))
    for one in keys:
        one.must_be(COSIGNATURE)
    evidence = SiteEvidence(
        site_key=site_key,
        cosigners=keys,
        leaves=exported.leaves(),
        checkpoints=tuple(exported.checkpoints()),
        receipt=exported.receipt(),
        approvals=Approvals(
            plans=frozenset(says.plans),
            bindings=frozenset(says.bindings),
            profiles=frozenset(says.profiles),
            methodologies=frozenset(says.methodologies),
        ),
    )
    report = audit(evidence)
    return replace(report, findings=(*_contradicted(says, site_key, report), *report.findings))


def _site(origin: str) -> str:
    """The site in an origin `<org>/mrv/<site>/k<epoch>`."""
    parts = origin.split("/")
    return parts[-2] if len(parts) >= 2 else origin


def _journal_json(papers: Papers) -> dict[str, Any]:
    found = papers.journal
    return {
        "head": found.head or None,
        "lines": found.size,
        "records": len(found.standing),
        "papers_named": papers.named,
        "papers_kept": papers.kept,
    }


def _journal_line(papers: Papers) -> str:
    found = papers.journal
    if not found.size:
        return "no journal of office records"
    return (
        f"journal: {found.size} lines, {len(found.standing)} records standing, {papers.kept} of {papers.named} papers "
        f"kept; head {found.head}"
    )


def _contradicted(says: Manifest, site_key: VerifyKey, report: Report) -> tuple[Fault, ...]:
    """Where the manifest does not fit the folder or the key it was checked with."""
    found = []
    if says.site_key != site_key.text:
        found.append(fault("verify.key_differs", says.origin, manifest=says.site_key, given=site_key.text))
    if says.origin != site_key.name:
        found.append(fault("verify.origin_differs", says.origin, key=site_key.name))
    if says.size != report.size:
        found.append(fault("verify.size_differs", says.origin, manifest=says.size, found=report.size))
    return tuple(found)
