"""`mrv-agent`: the site's end on the command line. Commands live in agent/commands, one file each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import version

from agent.commands import accept, backlog, check, enroll, init, run, status
from drivers.commands.common import complain, language
from mrv.errors import MrvError, Refused

EXIT_CODES = """exit codes:
  0  done; for `status`: nothing needs attention
  1  `status` shows an alarm or a failing meter
  2  wrong use or wrong input: correct it
  3  refused: well formed, not acceptable here
  4  a resource is away or busy: try again"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = argparse.ArgumentParser(
        prog="mrv-agent",
        description="Reads energy meters, keeps every reading in a signed log, and sends it until it is acknowledged.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=version("mrv-agent"))
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for module in (init, check, enroll, run, status, backlog, accept):
        module.add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
    except MrvError as error:
        complain(error.faults, language(arguments.lang), as_document=arguments.json)
        return 4 if error.retryable else 3 if isinstance(error, Refused) else 2
    return code
