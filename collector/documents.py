"""Papers the office keeps: each file under its SHA-256, once, as it was handed in.

Nothing is interpreted and nothing replaced; what a paper is and who answers for it is said by a record (mrv.records).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from mrv.errors import BadInput, Unavailable, fault

_BLOCK = 1024 * 1024


def digest(path: Path) -> str:
    """SHA-256 of a file. Raises BadInput when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(fault("collector.file_unreadable", str(path), problem=error.strerror)) from error


def keep(folder: Path, source: Path) -> str:
    """Copy the file at `source` into `folder`; its SHA-256. Durable when this returns.

    Raises BadInput (source cannot be read) or Unavailable (disk, rights).
    """
    name = digest(source)
    if (folder / name).exists():
        return name
    aside = folder / f".{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        taken = _copied(source, aside)
        aside.chmod(0o400)
        aside.rename(folder / taken)
        _synced(folder)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise Unavailable(fault("collector.folder_unusable", str(folder), problem=error.strerror)) from error
    return taken


def find(folder: Path, name: str) -> Path | None:
    """The file kept under SHA-256 `name`."""
    path = folder / name
    return path if path.is_file() else None


def absent(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are referred to and not kept."""
    return tuple(sorted({name for name in names if find(folder, name) is None}))


def _copied(source: Path, aside: Path) -> str:
    """Copy while hashing: the name is that of the bytes that were written, whatever happens to `source` meanwhile."""
    found = hashlib.sha256()
    with source.open("rb") as reader, aside.open("xb") as writer:
        while block := reader.read(_BLOCK):
            found.update(block)
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())
    return found.hexdigest()


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
