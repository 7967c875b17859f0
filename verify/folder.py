"""An exported folder as evidence: reads files within bounds, judges nothing.

What cannot be read is noted as a fault and reading goes on where it can, so that one damaged file does not hide the
rest. File names are fixed by mrv.manifest; nothing in the folder decides which file is opened next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mrv.errors import BadInput, Fault, MrvError, fault
from mrv.leaf import MAX_LEAF
from mrv.log.bundle import split
from mrv.log.checkpoint import peek
from mrv.log.note import MAX_NOTE
from mrv.manifest import (
    CHECKPOINT,
    CHECKPOINTS,
    DOCUMENTS,
    ENTRIES,
    JOURNAL,
    LEAVES_PER_FILE,
    MANIFEST,
    PLANS,
    Manifest,
    entries_name,
)

MAX_PLAN = 4 * 1024 * 1024
MAX_MANIFEST = 1024 * 1024
MAX_JOURNAL = 64 * 1024 * 1024
MAX_ENTRIES = LEAVES_PER_FILE * (MAX_LEAF + 2)


@dataclass(slots=True)
class Exported:
    """One exported log. `faults` fills up while `leaves` and `checkpoints` are read."""

    path: Path
    manifest: Manifest
    faults: list[Fault] = field(default_factory=list)

    def receipt(self) -> str:
        """The newest receipt; empty when it cannot be read."""
        return self._text(self.path / CHECKPOINT) or ""

    def checkpoints(self) -> Iterator[str]:
        """Every checkpoint kept, smallest first."""
        for path in sorted((self.path / CHECKPOINTS).glob("*"), key=lambda p: (len(p.name), p.name)):
            if (note := self._text(path)) is not None:
                yield note
                self._filed(path, note)

    def leaves(self) -> Iterator[bytes]:
        """The leaves in order, up to the first file that cannot be read; the files must follow each other."""
        present = {path.name for path in (self.path / ENTRIES).glob("*")}
        number, count = 0, LEAVES_PER_FILE
        while (name := entries_name(number)) in present:
            present.discard(name)
            path = self.path / ENTRIES / name
            if count != LEAVES_PER_FILE:
                self._note("verify.entries_short", self.path / ENTRIES / entries_name(number - 1), found=count)
            try:
                leaves = split(bounded(path, MAX_ENTRIES))
            except MrvError as error:
                self.faults += [Fault(f.code, str(path), f.params) for f in error.faults]
                return
            yield from leaves
            number, count = number + 1, len(leaves)
        for name in sorted(present):
            self._note("verify.entries_stray", self.path / ENTRIES / name, expected=entries_name(number))

    def journal(self) -> tuple[bytes, ...]:
        """The lines of the office's journal; none when the manifest names none or they cannot be read."""
        if self.manifest.journal is None:
            return ()
        try:
            return tuple(bounded(self.path / JOURNAL, MAX_JOURNAL).splitlines())
        except MrvError as error:
            self.faults += error.faults
            return ()

    def plan(self, digest: str) -> bytes | None:
        """The text of an approved plan; None, and a fault, when it is not there or not what its name says."""
        path = self.path / PLANS / digest
        try:
            body = bounded(path, MAX_PLAN)
        except MrvError as error:
            self.faults += error.faults
            return None
        if hashlib.sha256(body).hexdigest() != digest:
            self._note("verify.paper_altered", path, found=hashlib.sha256(body).hexdigest()[:16])
            return None
        return body

    def papers(self, names: Iterable[str]) -> int:
        """How many of the papers with these SHA-256 lie in the folder; an altered one is a fault."""
        found = 0
        for path in (self.path / DOCUMENTS / name for name in names):
            if not path.exists():
                continue
            found += 1
            try:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                self._note("verify.unreadable", path, problem=error.strerror)
                continue
            if digest != path.name:
                self._note("verify.paper_altered", path, found=digest[:16])
        return found

    def has(self, name: str) -> bool:
        """Whether the paper with this SHA-256 lies in the folder (`papers` has looked at its content)."""
        return bool(name) and (self.path / DOCUMENTS / name).is_file()

    def _filed(self, path: Path, note: str) -> None:
        """A checkpoint stands under its size."""
        try:
            size = peek(note).size
        except BadInput:
            return  # the audit says what is wrong with it
        if path.name != str(size):
            self._note("verify.checkpoint_misfiled", path, size=size)

    def _text(self, path: Path) -> str | None:
        try:
            return bounded(path, MAX_NOTE).decode()
        except UnicodeDecodeError:
            self._note("verify.not_text", path)
        except MrvError as error:
            self.faults += error.faults
        return None

    def _note(self, code: str, path: Path, **params: object) -> None:
        self.faults.append(fault(code, str(path), **params))


def found(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The folders of logs in `paths`: each is one, or holds those of several keys or sites, at most two levels down."""
    logs: list[Path] = []
    for path in paths:
        below = [one.parent for depth in ("*", "*/*") for one in sorted(path.glob(f"{depth}/{MANIFEST}"))]
        logs += [path] if (path / MANIFEST).exists() or not below else below
    return tuple(dict.fromkeys(logs))


def load(path: Path) -> Exported:
    """The export in folder `path`. Raises BadInput when its manifest cannot be read."""
    file = path / MANIFEST
    try:
        manifest = msgspec.json.decode(bounded(file, MAX_MANIFEST), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(fault("verify.manifest_malformed", str(file), problem=error)) from error
    return Exported(path, manifest)


def bounded(path: Path, limit: int) -> bytes:
    """The content of a plain file of at most `limit` bytes. Raises BadInput."""
    try:
        if path.is_symlink() or not path.is_file():
            raise BadInput(fault("verify.no_file", str(path)))
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadInput(fault("verify.unreadable", str(path), problem=error.strerror)) from error
    if len(data) > limit:
        raise BadInput(fault("verify.too_large", str(path), limit=limit))
    return data
