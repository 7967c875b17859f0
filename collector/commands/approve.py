"""`mrv-collector enroll approve`: a site's request to join, from paper to registry, certificate and answer.

The person who runs this has the device's fingerprint on the phone and says so; then site, key, plan and binding go into
the registry in one step, the certificate is issued, and the approval is written for the site to take in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from collector import ca
from collector.commands.ca import now
from collector.commands.common import add_folder, add_json, emit, opened
from collector.commands.enroll import carried_out, who
from collector.commands.run import endpoint
from collector.config import Folder, load
from collector.enroll import Request
from collector.methodologies import methodologies
from mrv import enrolment, leaf, plan
from mrv.enrolment import Approval
from mrv.errors import BadInput, Refused, Unavailable, fault
from mrv.messages import text
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology

COMMAND = "enroll-approve"
EXAMPLE = """examples:
  mrv-collector enroll approve long-an-2.request --dir office --broker broker.example.vn:8883
  mrv-collector enroll approve long-an-2.request --dir office --broker broker.example.vn:8883 --plan plan.yaml"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        COMMAND,
        prog="mrv-collector enroll approve",
        description="Admits the site that wrote the request, and writes the approval it waits for.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("request", type=Path, metavar="REQUEST", help="the file from `mrv-agent enroll`")
    parser.add_argument("--broker", required=True, metavar="HOST:PORT", help="where the site finds the broker")
    parser.add_argument("--fingerprint", metavar="DIGITS", help="of the request, as the technician reads it out")
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help="the plan it must be; default: the one in the request"
    )
    parser.add_argument("--epoch", type=int, help="number of the key, where the site has had one before")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: REQUEST with .approval)")
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    folder, where = Folder(arguments.dir), str(arguments.request)
    identity, authority = load(folder), ca.load(folder.ca)
    broker = endpoint(arguments.broker)
    paper = _read(arguments.request)
    asked = enrolment.decode(paper, enrolment.Request, where)
    if arguments.plan is not None:
        with opened(folder) as office:
            known = catalogue.among(methodologies(office.registry))
        _same_plan(arguments.plan, asked.plan, known)
    _compared(arguments.fingerprint, paper, asked, where, arguments.lang)
    issued = authority.site(asked.csr.encode(), asked.site, now())
    request = Request(
        site=asked.site,
        who=who(),
        epoch=arguments.epoch,
        key=asked.key,
        plan=asked.plan,
        binding=asked.binding,
        certificate={"did": "issued", "name": asked.site, "serial": issued.serial},
    )
    steps = carried_out(folder, request)
    approval = Approval(
        site=asked.site,
        request=enrolment.digest(paper),
        host=broker.host,
        port=broker.port,
        certificate=issued.pem.decode(),
        ca=authority.pem.decode(),
        cosigners=(identity.key.vkey,),
    )
    answer = enrolment.encode(approval)
    out: Path = arguments.out or arguments.request.with_suffix(".approval")
    _write(out, answer)
    said = {"file": str(out), "fingerprint": enrolment.fingerprint(answer)}
    if arguments.json:
        emit({"site": asked.site, "steps": list(steps), "certificate_ends": issued.expires.isoformat(), **said})
    else:
        for step in steps:
            print(f"{asked.site}: {text(f'collector.step_{step}', arguments.lang)}")
        print(text("collector.enroll_approved", arguments.lang, **said))
    return 0


def _compared(said: str | None, paper: bytes, asked: enrolment.Request, where: str, lang: str) -> None:
    """A person must have compared the fingerprint with the device. Raises Refused when that was not so."""
    if said is None and sys.stdin.isatty():
        print(text("collector.enroll_compare", lang, site=asked.site, key=asked.key))
        said = input("> ")
    if said is None:
        raise Refused(fault("collector.fingerprint_missing", where))
    if not enrolment.same(said, paper):
        raise Refused(fault("collector.fingerprint_differs", where, found=enrolment.fingerprint(paper)))


def _same_plan(path: Path, asked: str, known: Callable[[str], Methodology]) -> None:
    ours = leaf.canonical(plan.load(_read(path).decode(), str(path), known).value).decode()
    if ours != asked:
        raise Refused(
            fault(
                "collector.request_plan", str(path), ours=leaf.digest(ours.encode()), asked=leaf.digest(asked.encode())
            )
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(fault("collector.file_unreadable", str(path), problem=error)) from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Unavailable(fault("collector.folder_unusable", str(path), problem=error.strerror)) from error
