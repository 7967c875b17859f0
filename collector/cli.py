"""`mrv-collector`: the central office on the command line. Commands live in collector/commands, one file each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from collector.commands import (
    approve,
    ca,
    enroll,
    export,
    init,
    methodologies,
    profiles,
    records,
    report,
    run,
    sites,
    summaries,
    trace,
    verify,
)
from mrv.errors import MrvError, Refused
from mrv.messages import sentence, spoken

EXIT_CODES = """exit codes:
  0  done; for `verify`: everything clean
  1  `verify` found something
  2  wrong use or wrong input: correct it
  3  refused: well formed, not acceptable here
  4  a resource is away or busy: try again"""


_COMMANDS = (
    init,
    run,
    enroll,
    approve,
    ca,
    sites,
    summaries,
    records,
    profiles,
    methodologies,
    report,
    trace,
    export,
    verify,
)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="mrv-collector",
        description="Receives the signed logs of sites, signs what it holds, judges every summary.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=version("mrv-agent"))
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:2] == ["enroll", "approve"]:  # `approve` is no site: a word of its own, and argparse knows only one
        given[:2] = [approve.COMMAND]
    arguments = parser().parse_args(given)
    arguments.lang = arguments.lang or spoken(os.environ)
    try:
        code: int = arguments.command(arguments)
    except MrvError as error:
        for found in error.faults:
            print(sentence(found, arguments.lang), file=sys.stderr)
        return 4 if error.retryable else 3 if isinstance(error, Refused) else 2
    return code
