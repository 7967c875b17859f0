"""One flipped bit anywhere in any message: refused, or (where a format has bits that mean nothing) the same message."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mrv.errors import BadInput, Refused
from mrv.log import bundle, merkle, proof
from mrv.log.checkpoint import Checkpoint, cosign, cosigned, issue, open_checkpoint
from mrv.log.merkle import EMPTY, Frontier, inclusion_proof, leaf_hash
from mrv.log.note import COSIGNATURE, NOTE, SigningKey, VerifyKey

SITE = SigningKey("example.org/mrv/plant/k1", NOTE, bytes(range(32)))
OFFICE = SigningKey("example.org/mrv/collector", COSIGNATURE, bytes(range(1, 33)))
LEAVES = [b'{"k":"reading","n":%d}' % i for i in range(11)]
HASHES = [leaf_hash(data) for data in LEAVES]
CHECKPOINT = issue(Checkpoint(SITE.name, 11, EMPTY.extend(HASHES).root()), SITE)
RECEIPT = cosign(CHECKPOINT, OFFICE, 1_764_000_000)
PROOF = proof.write(6, inclusion_proof(6, HASHES), CHECKPOINT)
BUNDLE = bundle.pack(bundle.Bundle(old=4, receipt=None, checkpoint=CHECKPOINT, leaves=tuple(LEAVES[4:])))
HELD = EMPTY.extend(HASHES[:4])


def read_checkpoint(data: bytes) -> object:
    return open_checkpoint(data, SITE.public)


def read_receipt(data: bytes) -> object:
    return open_checkpoint(data, SITE.public), cosigned(data, [OFFICE.public])


def read_proof(data: bytes) -> object:
    return proof.verify(text_of(data), LEAVES[6], SITE.public)


def read_leaf(data: bytes) -> object:
    return proof.verify(PROOF, data, SITE.public)


def read_vkey(data: bytes) -> object:
    return VerifyKey.parse(text_of(data))


def read_frontier(data: bytes) -> object:
    if (tree := Frontier.decode(data)).root() != EMPTY.extend(HASHES).root():
        raise Refused
    return tree


def read_bundle(data: bytes) -> object:
    """What a collector does that holds the first four leaves: every byte must lead to the signed root."""
    found = bundle.unpack(data)
    head = open_checkpoint(found.checkpoint, SITE.public)
    tree = HELD.extend(merkle.leaf_hash(leaf) for leaf in found.leaves)
    if found.old != HELD.size or tree.root() != head.root or found.receipt:
        raise Refused
    return found


def text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadInput from error


MESSAGES: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "checkpoint": (read_checkpoint, CHECKPOINT.encode()),
    "receipt": (read_receipt, RECEIPT.encode()),
    "proof": (read_proof, PROOF.encode()),
    "leaf": (read_leaf, LEAVES[6]),
    "vkey": (read_vkey, SITE.vkey.encode()),
    "frontier": (read_frontier, EMPTY.extend(HASHES).encode()),
    "bundle": (read_bundle, BUNDLE),
}
#: Bits that mean nothing: those that fill the last byte of a deflate stream.
MEANINGLESS = {"bundle": 7}


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_flipped_bit(kind: str) -> None:
    read, data = MESSAGES[kind]
    meant = read(data)
    accepted = 0
    for at in range(len(data)):
        for bit in range(8):
            changed = data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
            try:
                assert read(changed) == meant
                accepted += 1
            except (BadInput, Refused):
                continue
    assert accepted <= MEANINGLESS.get(kind, 0)


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_lost_byte(kind: str) -> None:
    read, data = MESSAGES[kind]
    for at in range(len(data)):
        with pytest.raises((BadInput, Refused)):
            read(data[:at] + data[at + 1 :])
