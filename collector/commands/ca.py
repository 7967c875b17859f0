"""`mrv-collector ca`: the office's small certificate authority for the broker's door (collector/ca.py).

Sites get theirs by `enroll approve`. Every issue and every revocation is a line in the registry's change log.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from collector import ca
from collector.ca import Issued, Pair
from collector.commands.common import add_folder, add_json, emit, show
from collector.commands.enroll import carried_out, who
from collector.config import Folder, load
from collector.enroll import Request
from link.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE
from mrv.errors import Unavailable, fault

EXAMPLE = """examples:
  mrv-collector ca init --dir office
  mrv-collector ca broker --dir office broker.example.vn --out broker    for mosquitto: broker.pem, broker.key, ca.pem
  mrv-collector ca office --dir office 1                                 for this collector, into office/tls/1
  mrv-collector ca revoke --dir office long-an-2                         then copy office/ca/crl.pem to the broker
  mrv-collector ca list --dir office"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "ca",
        help="certificates for the broker",
        description="Who may connect to the broker, as whom, until when.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, does, run in (
        ("init", "make the authority", _init),
        ("broker", "a certificate and key for a broker", _broker),
        ("office", "a certificate and key for a collector process", _office),
        ("revoke", "take the certificates of a name out of use", _revoke),
        ("list", "list certificates", _list),
    ):
        made = actions.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")
        if name == "broker":
            made.add_argument("hosts", nargs="+", metavar="HOST", help="names or addresses it is reached under")
        elif name in ("office", "revoke"):
            made.add_argument("name", help="`1` for office.1" if name == "office" else "as `ca list` shows it")
        if name in ("broker", "office"):
            default = "C/tls/NAME" if name == "office" else "C/broker"
            made.add_argument("--out", type=Path, metavar="FOLDER", help=f"where to put the files (default: {default})")
        add_folder(made)
        add_json(made)
        made.set_defaults(command=run)


def now() -> datetime:
    return datetime.now(UTC)


def _init(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    identity = load(folder)
    ca.create(folder.ca, identity.org, now())
    _log(folder, {"did": "authority made"})
    return _done(arguments, {"ca": str(folder.ca / "ca.pem"), "crl": str(folder.ca / "crl.pem")})


def _broker(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    pair = ca.load(folder.ca).broker(arguments.hosts, now())
    names = {"broker.pem": pair.certificate, "broker.key": pair.key}
    return _handed_out(arguments, folder, folder.path / "broker", names, pair, arguments.hosts[0])


def _office(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    pair = ca.load(folder.ca).office(arguments.name, now())
    names = {CERTIFICATE_FILE: pair.certificate, KEY_FILE: pair.key}
    return _handed_out(arguments, folder, folder.tls / arguments.name, names, pair, f"{ca.OFFICE}{arguments.name}")


def _handed_out(
    arguments: argparse.Namespace, folder: Folder, default: Path, files: dict[str, bytes], pair: Pair, name: str
) -> int:
    out: Path = arguments.out or default
    authority = ca.load(folder.ca)
    write(out, files | {CA_FILE: authority.pem})
    _log(folder, {"did": "issued", "name": name, "serial": pair.serial})
    return _done(arguments, {file: str(out / file) for file in (*files, CA_FILE)})


def _revoke(arguments: argparse.Namespace) -> int:
    folder = Folder(arguments.dir)
    authority = ca.load(folder.ca)
    for issued in authority.revoke(arguments.name, now()):
        _log(folder, {"did": "revoked", "name": issued.name, "serial": issued.serial})
    return _done(arguments, {"crl": str(authority.crl), "next": "copy it to the broker and reload it (SIGHUP)"})


def _list(arguments: argparse.Namespace) -> int:
    listed = ca.load(Folder(arguments.dir).ca).issued()
    if arguments.json:
        emit([_spelled(issued) for issued in listed])
        return 0
    rows = [(i.name, i.expires.date(), "revoked" if i.revoked else "in use", i.serial) for i in listed]
    show("Certificates", ("name", "ends", "state", "serial"), rows)
    return 0


def _spelled(issued: Issued) -> dict[str, str | None]:
    revoked = issued.revoked.isoformat() if issued.revoked else None
    return {
        "name": issued.name,
        "serial": issued.serial,
        "expires": issued.expires.isoformat(),
        "revoked": revoked,
    }


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Put `files` into `folder`; keys readable by their owner only. Raises Unavailable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in files.items():
            path = folder / name
            path.unlink(missing_ok=True)
            mode = 0o644 if name.endswith("ca.pem") or b"PRIVATE KEY" not in data else 0o400
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
    except OSError as error:
        raise Unavailable(fault("collector.folder_unusable", str(folder), problem=error.strerror)) from error


def _log(folder: Folder, detail: dict[str, str]) -> None:
    carried_out(folder, Request(site="office", who=who(), certificate=detail))


def _done(arguments: argparse.Namespace, said: dict[str, str]) -> int:
    if arguments.json:
        emit(said)
    else:
        for name, value in said.items():
            print(f"{name}: {value}")
    return 0
