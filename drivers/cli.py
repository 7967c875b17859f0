"""`mrv-meter`: the technician's tool on the command line. Commands live in drivers/commands, one file each.

It never writes to a meter, and no module of a command is imported before that command is asked for: `profiles` on a
gateway must not load a simulator.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from drivers.commands.common import complain, language
from mrv.errors import MrvError, Refused

#: In the order of a day at the factory. Each is a module of drivers.commands with `add(commands)`.
COMMANDS = (
    "scan",
    "probe",
    "watch",
    "commission",
    "profiles",
    "simulate",
)

EXIT_CODES = """exit codes:
  0  done; nothing needs attention
  1  done, and something was found that needs attention
  2  wrong use or wrong input: correct it
  3  refused: well formed, not acceptable here
  4  a resource is away or busy: try again
  130  stopped by Ctrl-C"""


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or only that of the command `wanted`."""
    made = argparse.ArgumentParser(
        prog="mrv-meter",
        description="Finds, reads and commissions energy meters on Modbus lines. It only ever reads.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=version("mrv-agent"))
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        import_module(f"drivers.commands.{name}").add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    words = sys.argv[1:] if argv is None else argv
    arguments = parser(words[0] if words else None).parse_args(words)
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except MrvError as error:
        complain(error.faults, language(arguments.lang), as_document=arguments.json)
        return 4 if error.retryable else 3 if isinstance(error, Refused) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has what it wanted; nothing may be printed at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
