"""What the commands of `mrv-agent` share: folder and language arguments. They print by drivers.commands.common."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from drivers.commands.common import site_folder
from mrv.messages import LANGUAGES

STATE_FOLDER = "state"


def command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, does: str, example: str) -> Any:
    """A subcommand with the arguments every command has."""
    parser = commands.add_parser(
        name,
        help=does,
        description=does[0].upper() + does[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site_folder(parser)
    parser.add_argument("--state", type=Path, metavar="S", help="folder of key and log (default: D/state)")
    parser.add_argument("--lang", choices=LANGUAGES, help="language of messages (default: from LANG)")
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for scripts; instants are UTC milliseconds")


def state_of(arguments: argparse.Namespace) -> Path:
    """The state directory in use."""
    given: Path | None = arguments.state
    folder: Path = arguments.dir
    return given or folder / STATE_FOLDER


def now() -> int:
    """UTC ms."""
    return time.time_ns() // 1_000_000
