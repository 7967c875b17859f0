"""A leaf's membership in a signed log, on its own: `c2sp.org/tlog-proof@v1`.

The leaf itself travels outside, or as `extra`, which nothing vouches for until the proof has been verified with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mrv.errors import BadInput, fault
from mrv.log import b64
from mrv.log.checkpoint import Checkpoint, open_checkpoint
from mrv.log.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from mrv.log.note import VerifyKey

_HEADER = "c2sp.org/tlog-proof@v1"
_EXTRA = "extra "
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_MAX_HASHES = 63
#: Room for a leaf as `extra` (48 KiB before base64) and a note.
MAX_PROOF = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof as it came, unverified. `checkpoint` is the note it hangs from."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None


def write(index: int, proof: Sequence[bytes], checkpoint_note: str, extra: bytes | None = None) -> str:
    """The proof as text; `extra` is left out when there is none."""
    head = [_HEADER]
    if extra:
        head.append(_EXTRA + b64.encode(extra))
    head += [f"index {index}", *(b64.encode(found) for found in proof)]
    return "\n".join((*head, "", checkpoint_note))


def read(text: str) -> Proof:
    """The parts of a proof, unverified. Raises BadInput."""
    head, blank, checkpoint = text.partition("\n\n")
    header, *lines = head.split("\n")
    if len(text) > MAX_PROOF:
        raise BadInput(fault("log.proof_too_large", limit=MAX_PROOF))
    if header != _HEADER:
        raise BadInput(fault("log.proof_header", found=ascii(header[:80])))
    if not blank:
        raise BadInput(fault("log.proof_no_checkpoint"))
    extra = _extra(lines.pop(0)) if lines and lines[0].startswith(_EXTRA) else None
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None:
        raise BadInput(fault("log.proof_index"))
    if len(lines) > _MAX_HASHES:
        raise BadInput(fault("log.proof_too_long", length=len(lines)))
    return Proof(index=int(index[1]), hashes=tuple(_hash(line) for line in lines), checkpoint=checkpoint, extra=extra)


def verify(text: str, leaf: bytes, key: VerifyKey) -> Checkpoint:
    """The checkpoint, signed by the log's key, whose tree holds `leaf` (its bytes). Raises BadInput or Refused."""
    proof = read(text)
    checkpoint = open_checkpoint(proof.checkpoint, key)
    verify_inclusion(proof.index, checkpoint.size, leaf_hash(leaf), proof.hashes, checkpoint.root)
    return checkpoint


def _extra(line: str) -> bytes:
    extra = b64.decode(line.removeprefix(_EXTRA))
    if not extra:
        raise BadInput(fault("log.proof_extra"))
    return extra


def _hash(line: str) -> bytes:
    found = b64.decode(line)
    if found is None or len(found) != HASH_SIZE:
        raise BadInput(fault("log.proof_hash", line=ascii(line[:80])))
    return found
