"""How a command reaches a running collector: a request file in, a reply file out.

One process writes the database. A command that changes something does it itself while no daemon runs, and hands it over
while one does. Files appear whole (written aside, then renamed) and belong to the folder's owner only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from collector.config import Folder
from collector.enroll import Request
from collector.methodologies import MethodologyRequest
from collector.own import OwnRequest
from collector.records import RecordRequest
from mrv.errors import BadInput, Fault, MrvError, Refused, Unavailable, fault

#: Seconds to wait for a running daemon.
PATIENCE_S = 20.0


AnyRequest = Request | RecordRequest | MethodologyRequest | OwnRequest


class Complaint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault on its way back."""

    code: str
    where: str
    params: dict[str, str]


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of a request: the steps made, or why none was. `kind`: whose fault (exit codes)."""

    steps: tuple[str, ...] = ()
    faults: tuple[Complaint, ...] = ()
    retryable: bool = False
    refused: bool = False

    def check(self) -> tuple[str, ...]:
        """The steps made. Raises what the daemon met."""
        if not self.faults:
            return self.steps
        faults = tuple(Fault(f.code, f.where, f.params) for f in self.faults)
        raise (Unavailable if self.retryable else Refused if self.refused else BadInput)(*faults)


def ask(folder: Folder, request: AnyRequest) -> Path:
    """Leave `request` for the daemon; the path to look for its reply at. Raises Unavailable (disk, rights)."""
    path = folder.spool / f"{secrets.token_hex(8)}.request"
    try:
        _write(path, msgspec.json.encode(request))
    except OSError as error:
        raise Unavailable(fault("collector.folder_unusable", str(folder.spool), problem=error.strerror)) from error
    return path


def replied(path: Path) -> Reply | None:
    """The reply to the request at `path`, once; None while there is none."""
    answered = path.with_suffix(".reply")
    try:
        reply = msgspec.json.decode(answered.read_bytes(), type=Reply)
    except FileNotFoundError:
        return None
    answered.unlink()
    return reply


def requests(folder: Folder) -> Iterator[tuple[Path, AnyRequest]]:
    """What waits. A file that is no request is set aside."""
    for path in folder.spool.glob("*.request"):
        try:
            yield path, msgspec.json.decode(path.read_bytes(), type=AnyRequest)
        except FileNotFoundError:
            continue
        except (msgspec.DecodeError, UnicodeDecodeError):
            path.rename(path.with_suffix(".unreadable"))


def hand_over(folder: Folder, request: AnyRequest) -> tuple[str, ...]:
    """Have the running daemon carry out `request`; the steps made. Raises what it met; Unavailable: silence."""
    path = ask(folder, request)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if (reply := replied(path)) is not None:
            return reply.check()
        time.sleep(0.05)
    path.unlink(missing_ok=True)
    raise Unavailable(fault("collector.no_reply", str(folder.path), seconds=int(PATIENCE_S)))


def answer(path: Path, steps: tuple[str, ...] = (), error: MrvError | None = None) -> None:
    """Reply to the request at `path` and take it off the spool."""
    faults = tuple(Complaint(code=f.code, where=f.where, params=f.plain) for f in error.faults) if error else ()
    reply = Reply(
        steps=steps,
        faults=faults,
        retryable=isinstance(error, Unavailable),
        refused=isinstance(error, Refused),
    )
    _write(path.with_suffix(".reply"), msgspec.json.encode(reply))
    path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    aside = path.with_suffix(".tmp")
    aside.write_bytes(data)
    aside.chmod(0o600)
    aside.replace(path)
