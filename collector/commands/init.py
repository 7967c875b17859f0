"""`mrv-collector init`: a folder, a cosigning key, an empty archive."""

from __future__ import annotations

import argparse

from collector.commands.common import add_folder, add_json, emit, opened
from collector.config import Folder, create

EXAMPLE = "example:\n  mrv-collector init --dir office --org example.vn"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "init",
        help="make a collector's folder",
        description="Makes the folder, the key that signs receipts (mode 0400) and an empty archive.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder(parser)
    parser.add_argument("--org", required=True, help="the organisation, as a domain name; it names every log")
    parser.add_argument("--database", metavar="URL", help="keep the records at postgresql://user@host/name instead")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    identity = create(folder, arguments.org, arguments.database)
    with opened(folder):
        pass
    if arguments.json:
        emit({"dir": str(folder.path), "cosigner": identity.key.vkey})
        return 0
    print(f"collector of {identity.org} in {folder.path}")
    print(f"cosigner key, for every site.yaml and for the auditor:\n  {identity.key.vkey}")
    return 0
