"""The collector's folder: what lies where in it, the key that signs receipts, and the lock that keeps it to one daemon.

key               the seed of the cosigning key, mode 0400; whoever has it can sign receipts in our name
cosigner.vkey     the public key: it goes into every site.yaml and, for the auditor, into the project's papers
collector.sqlite  archive and registry
database          in place of that file: the URL of a PostgreSQL database that several collectors may share
documents/        papers by their SHA-256, as they were handed in
ca/               the office's certificate authority, once `ca init` made one (collector/ca.py)
tls/NAME/         certificate and key of the collector NAME, and the authority's certificate (link/tls.py)
spool/            changes that a command hands to the running daemon
lock              held by the daemon, or by a command that changes something while none is running
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mrv.errors import BadInput, Refused, Unavailable, fault
from mrv.log.note import COSIGNATURE, SigningKey

ORG = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_SUFFIX = "/mrv/collector"

#: Where a test may kill the daemon (link.failpoint), in the order a bundle passes them.
FAILPOINTS = frozenset(
    {"inbox.committed", "receipt.signed", "receipt.committed", "receipt.published", "verdict.settled"}
)


@dataclass(frozen=True, slots=True)
class Folder:
    """Paths below the collector's folder."""

    path: Path

    @property
    def key(self) -> Path:
        return self.path / "key"

    @property
    def vkey(self) -> Path:
        return self.path / "cosigner.vkey"

    @property
    def database(self) -> Path:
        return self.path / "collector.sqlite"

    @property
    def server(self) -> str | None:
        """The URL of the database server, if the records are kept there. Raises Refused when it cannot be read."""
        path = self.path / "database"
        try:
            return path.read_text("utf-8").strip() if path.exists() else None
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(fault("collector.not_a_folder", str(path), problem=error)) from error

    @property
    def documents(self) -> Path:
        return self.path / "documents"

    @property
    def ca(self) -> Path:
        return self.path / "ca"

    @property
    def tls(self) -> Path:
        return self.path / "tls"

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    @property
    def lock(self) -> Path:
        return self.path / "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are: the organisation that names every log, and the key that signs receipts."""

    org: str
    key: SigningKey

    def origin(self, site: str, epoch: int) -> str:
        """The log of `site` under its key number `epoch`."""
        return f"{self.org}/mrv/{site}/k{epoch}"


def create(folder: Folder, org: str, server: str | None = None) -> Identity:
    """Make the folder and a new key; the records go to the database `server` if one is given.

    Raises BadInput for a bad name, Refused where there is a key already.
    """
    if not ORG.fullmatch(org):
        raise BadInput(fault("collector.bad_org", found=org))
    if folder.key.exists():
        raise Refused(fault("collector.exists", str(folder.path)))
    identity = Identity(org=org, key=SigningKey(f"{org}{_SUFFIX}", COSIGNATURE, secrets.token_bytes(32)))
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.spool.mkdir(mode=0o700, exist_ok=True)
        if server is not None:
            (folder.path / "database").write_text(f"{server}\n", "utf-8")
        folder.vkey.write_text(f"{identity.key.vkey}\n")
        # The key comes last: a folder without one is not yet a collector's, and `init` can be repeated.
        descriptor = os.open(folder.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{identity.key.seed.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(fault("collector.folder_unusable", str(folder.path), problem=error.strerror)) from error
    return identity


def load(folder: Folder) -> Identity:
    """The identity of an existing folder. Raises Refused: no such thing, or its key is open to others or foreign."""
    try:
        mode = folder.key.stat().st_mode
        seed, vkey = folder.key.read_text(), folder.vkey.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(fault("collector.not_a_folder", str(folder.path), problem=error)) from error
    if mode & 0o777 & ~0o400:
        raise Refused(fault("collector.key_open", str(folder.key), mode=oct(mode & 0o777)))
    name = vkey.partition("+")[0]
    try:
        key = SigningKey(name, COSIGNATURE, bytes.fromhex(seed))
    except (ValueError, BadInput) as error:
        raise Refused(fault("collector.key_unreadable", str(folder.key), problem=error)) from error
    if key.vkey != vkey or not name.endswith(_SUFFIX):
        raise Refused(fault("collector.key_foreign", str(folder.key), vkey=vkey))
    return Identity(org=name.removesuffix(_SUFFIX), key=key)


@contextmanager
def locked(folder: Folder, name: str = "1") -> Iterator[None]:
    """Hold the folder for this process, or the collector `name` of it where a database server is shared by several.

    Raises Unavailable when another process has it, or it cannot be written.
    """
    path = folder.lock if folder.server is None else folder.lock.with_name(f"lock-{name}")
    try:
        file = path.open("a")
    except OSError as error:
        raise Unavailable(fault("collector.folder_unusable", str(path), problem=error.strerror)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unavailable(fault("collector.locked", str(folder.path))) from error
        yield
