"""The head of a log, signed by its site and cosigned by its collector (C2SP tlog-checkpoint, tlog-cosignature).

A checkpoint is a note of exactly three lines: origin, size, root. v1 has no extension lines. The key's name is the
origin. A receipt is the site's own note with a `cosignature/v1` line added: "consistent with all I have seen, and I
hold every leaf". Times come from the caller.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mrv.errors import BadInput, Refused, fault
from mrv.log import b64, note
from mrv.log.merkle import HASH_SIZE, MAX_SIZE
from mrv.log.note import COSIGNATURE, MAX_SIGNATURES, Note, Signature, SigningKey, VerifyKey

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINES = 3
#: Timestamps are seconds below 2^63 (tlog-cosignature, "Format").
_MAX_TIME = 2**63
_STAMP = struct.Struct(">Q")
_SIGNATURE_SIZE = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's head: `root` is the 32-byte root of its first `size` leaves."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64.encode(self.root)}\n"


def issue(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The checkpoint as a note signed by its log's key. Raises Refused for another log's key, BadInput."""
    if key.name != checkpoint.origin:
        raise Refused(fault("log.origin_differs", origin=checkpoint.origin, expected=key.name))
    _parsed(checkpoint.text)
    return note.sign(checkpoint.text, key)


def open_checkpoint(data: str | bytes, key: VerifyKey) -> Checkpoint:
    """The checkpoint in a note signed by its log's key. Raises BadInput (malformed) or Refused (not signed so)."""
    found = Note.parse(data)
    note.verify(found, key)
    checkpoint = _parsed(found.text)
    if checkpoint.origin != key.name:
        raise Refused(fault("log.origin_differs", origin=checkpoint.origin, expected=key.name))
    return checkpoint


def peek(data: str | bytes) -> Checkpoint:
    """What a note claims, UNVERIFIED: only to find out whose key to ask. Raises BadInput."""
    return _parsed(Note.parse(data).text)


def cosign(data: str | bytes, key: SigningKey, time: int) -> str:
    """The note with this cosigner's line added, at POSIX `time` (s); other lines stay, its own older one goes.

    Does not verify the site's signature: the caller has. Raises BadInput or Refused.
    """
    key.public.must_be(COSIGNATURE)
    if not 0 <= time < _MAX_TIME:
        raise BadInput(fault("log.cosignature_time", time=time))
    found = Note.parse(data)
    _parsed(found.text)
    own = found.by(key.public)
    kept = Note(found.text, tuple(s for s in found.signatures if s not in own))
    if len(kept.signatures) >= MAX_SIGNATURES:
        raise BadInput(fault("log.note_too_many_signatures", limit=MAX_SIGNATURES))
    return kept.with_line(key.line(_statement(found.text, time), _STAMP.pack(time)))


def cosigned(data: str | bytes, keys: Sequence[VerifyKey]) -> int:
    """The POSIX time (s) by which one of `keys` had seen this checkpoint; the earliest when several vouch for it.

    Raises Refused when none of them cosigned it or a line in the name of one of them is wrong, BadInput.
    """
    found = Note.parse(data)
    _parsed(found.text)
    times = [time for key in keys for time in _times(found, key)]
    if not times:
        raise Refused(fault("log.cosignature_missing", names=", ".join(key.name for key in keys)))
    return min(times)


def _times(found: Note, key: VerifyKey) -> Iterator[int]:
    """The times of the lines of one cosigner, each verified."""
    key.must_be(COSIGNATURE)
    for signature in found.by(key):
        yield _time(found.text, signature, key)


def _time(text: str, signature: Signature, key: VerifyKey) -> int:
    stamp, bare = signature.blob[: _STAMP.size], signature.blob[_STAMP.size :]
    if len(bare) != _SIGNATURE_SIZE:
        raise Refused(fault("log.signature_wrong", name=key.name))
    time: int = _STAMP.unpack(stamp)[0]
    if time >= _MAX_TIME or not key.verify(_statement(text, time), bare):
        raise Refused(fault("log.signature_wrong", name=key.name))
    return time


def _statement(text: str, time: int) -> bytes:
    """The bytes a cosigner signs (tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _parsed(text: str) -> Checkpoint:
    """The three lines of a checkpoint. Raises BadInput."""
    lines = text.split("\n")[:-1]
    if len(lines) < _LINES or not all(lines):
        raise BadInput(fault("log.checkpoint_lines", found=len(lines)))
    if len(lines) > _LINES:
        raise BadInput(fault("log.checkpoint_extension", line=ascii(lines[_LINES][:80])))
    origin, size, root = lines
    if not _SIZE.fullmatch(size) or int(size) >= MAX_SIZE:
        raise BadInput(fault("log.checkpoint_size", found=ascii(size[:40])))
    digest = b64.decode(root)
    if digest is None or len(digest) != HASH_SIZE:
        raise BadInput(fault("log.checkpoint_root", found=ascii(root[:80])))
    return Checkpoint(origin, int(size), digest)
