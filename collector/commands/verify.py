"""`mrv-collector verify`: the auditor's judgement of what lies in the archive, by the auditor's code."""

from __future__ import annotations

import argparse

from collector.commands.common import Office, add_folder, add_json, emit, opened
from collector.config import Folder
from collector.registry import SiteKey
from mrv.audit import Report, SiteEvidence, audit
from mrv.errors import BadInput, fault
from mrv.findings import lines, report_json
from mrv.log.note import VerifyKey

EXAMPLE = "example:\n  mrv-collector verify --all --dir office"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "verify",
        help="audit the archive",
        description="Checks every signature, root and receipt, and settles every period again from raw words. Exit "
        "code 0 only when everything is clean and every summary admitted; 1 when there is a finding.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("site", nargs="?", help="site id")
    parser.add_argument("--all", action="store_true", help="all sites")
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    if (arguments.site is None) != arguments.all:
        raise BadInput(fault("collector.site_or_all"))
    with opened(Folder(arguments.dir)) as office:
        if arguments.site is not None:
            office.key(arguments.site)
        keys = office.registry.every_key() if arguments.all else office.registry.keys(arguments.site)
        reports = [_report(office, key) for key in keys]
    if arguments.json:
        emit([report_json(report, arguments.lang) for report in reports])
    else:
        print("\n\n".join("\n".join(lines(report, arguments.lang)) for report in reports))
    return 0 if all(report.clean for report in reports) else 1


def _report(office: Office, key: SiteKey) -> Report:
    head = office.archive.head(key.origin)
    evidence = SiteEvidence(
        site_key=VerifyKey.parse(key.vkey),
        cosigners=(office.identity.key.public,),
        leaves=office.archive.leaves(key.origin, 0, head.size),
        checkpoints=tuple(note for _, note in office.archive.notes(key.origin)),
        receipt=head.note or "",
        approvals=office.registry.approvals(key.site),
    )
    return audit(evidence)
