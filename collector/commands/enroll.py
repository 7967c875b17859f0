"""`mrv-collector enroll`: a site, its key, its approved plan and binding; done here, or by the daemon if one runs."""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path

from collector.admit import Admission
from collector.commands.common import Office, add_folder, add_json, emit, opened
from collector.commands.common import carried_out as here_or_there
from collector.config import Folder, load
from collector.daemon import clock
from collector.enroll import Request, carry_out, spelled
from collector.methodologies import methodologies
from mrv import leaf, plan, strict
from mrv.errors import BadInput, Fault, fault
from mrv.messages import sentence, text
from mrv.methodology import catalogue

EXAMPLE = """examples:
  mrv-collector enroll factory-1 --dir office --key @factory-1.vkey --plan plan.yaml --binding binding.json
  mrv-collector enroll factory-1 --dir office --plan plan-2027.yaml        approve one more plan
  mrv-collector enroll factory-1 --dir office --key @new.vkey --epoch 2    the site lost its key or its log"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "enroll",
        help="admit a site: its key, plan and binding",
        description="Adds what is given and keeps what is there; every change is logged. Summaries that waited for a "
        "plan or binding are judged again.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("site", help="site id")
    add_folder(parser)
    parser.add_argument("--key", metavar="VKEY|@FILE", help="the site's public key (`mrv-agent check` prints it)")
    parser.add_argument("--epoch", type=int, help="number of the key, where the site has had one before")
    parser.add_argument("--plan", type=Path, metavar="FILE", help="monitoring plan to approve")
    parser.add_argument("--binding", type=Path, metavar="FILE", help="from `mrv-agent check --binding-out FILE`")
    parser.add_argument("--tofu", action="store_true", help="trust the first key the site shows; demonstrations only")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    load(folder)
    request = _request(arguments)
    steps = carried_out(folder, request)
    if arguments.json:
        emit({"site": request.site, "steps": list(steps)})
    else:
        tongue = arguments.lang
        for step in steps or ("none",):
            print(f"{request.site}: {text(f'collector.step_{step}', tongue)}")
        for missing in _lacking(folder, request.site):
            print(sentence(missing, tongue))
    return 0


def carried_out(folder: Folder, request: Request) -> tuple[str, ...]:
    """The steps made, as `collector.step_...` in the catalogue."""

    def here(office: Office) -> tuple[str, ...]:
        steps = carry_out(request, office.identity, office.registry, office.archive, clock())
        Admission(office.archive, office.registry).judge_again(request.site, clock())
        return tuple(map(spelled, steps))

    return here_or_there(folder, request, here)


def _lacking(folder: Folder, site: str) -> list[Fault]:
    """What must still be approved before anything of `site` can be admitted."""
    with opened(folder) as office:
        approvals = office.registry.approvals(site)
    kinds = {"plan": approvals.plans, "binding": approvals.bindings}
    return [fault("collector.nothing_approved", site, kind=kind, site=site) for kind, held in kinds.items() if not held]


def who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


def _request(arguments: argparse.Namespace) -> Request:
    key = arguments.key
    if key is not None and key.startswith("@"):
        key = _text(Path(key[1:])).strip()
    approved = None
    if arguments.plan is not None:
        with opened(Folder(arguments.dir)) as office:
            known = catalogue.among(methodologies(office.registry, arguments.site))
        document = plan.load(_text(arguments.plan), str(arguments.plan), known)
        approved = leaf.canonical(document.value).decode()
    return Request(
        site=arguments.site,
        who=who(),
        epoch=arguments.epoch,
        key=key,
        tofu=arguments.tofu,
        plan=approved,
        binding=_text(arguments.binding) if arguments.binding is not None else None,
    )


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(fault("collector.file_unreadable", str(path), problem=error.strerror)) from error
    return strict.as_text(data, str(path))
