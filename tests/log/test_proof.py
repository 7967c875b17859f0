"""tlog-proof@v1: one leaf, provable on its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from mrv.log import b64, proof
from mrv.log.checkpoint import Checkpoint, issue
from mrv.log.merkle import EMPTY, inclusion_proof, leaf_hash
from mrv.log.note import NOTE, SigningKey

SITE = SigningKey("example.org/mrv/plant/k1", NOTE, bytes(range(32)))
LEAVES = [b"leaf %d" % i for i in range(7)]
HASHES = [leaf_hash(data) for data in LEAVES]
NOTE_7 = issue(Checkpoint(SITE.name, 7, EMPTY.extend(HASHES).root()), SITE)


@given(st.integers(0, 6), st.none() | st.binary(min_size=1, max_size=100))
def test_round_trip(index: int, extra: bytes | None) -> None:
    path = inclusion_proof(index, HASHES)
    text = proof.write(index, path, NOTE_7, extra)
    assert proof.read(text) == proof.Proof(index=index, hashes=path, checkpoint=NOTE_7, extra=extra)
    assert proof.verify(text, LEAVES[index], SITE.public).size == 7
    with refused("log.inclusion_failed"):
        proof.verify(text, LEAVES[index] + b"!", SITE.public)
    with refused("log.signature_missing"):
        proof.verify(text, LEAVES[index], SigningKey(SITE.name, NOTE, bytes(32)).public)


def test_the_only_leaf_needs_no_hashes() -> None:
    note = issue(Checkpoint(SITE.name, 1, HASHES[0]), SITE)
    text = proof.write(0, (), note)
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\nexample.org/")
    assert proof.verify(text, LEAVES[0], SITE.public).size == 1


def test_the_index_belongs_to_the_proof() -> None:
    text = proof.write(5, inclusion_proof(4, HASHES), NOTE_7)
    with refused("log.inclusion_failed"):
        proof.verify(text, LEAVES[4], SITE.public)
    with refused("log.index_out_of_range"):
        proof.verify(proof.write(7, inclusion_proof(6, HASHES), NOTE_7), LEAVES[6], SITE.public)


GOOD = proof.write(4, inclusion_proof(4, HASHES), NOTE_7, LEAVES[4])
HASH = b64.encode(HASHES[5])


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("@v1", "@v2", "log.proof_header"),
        ("c2sp.org/", " c2sp.org/", "log.proof_header"),
        ("extra ", "extra !", "log.proof_extra"),
        (b64.encode(LEAVES[4]), "", "log.proof_extra"),
        ("index 4", "index 04", "log.proof_index"),
        ("index 4", "index -4", "log.proof_index"),
        ("index 4", "index 4 ", "log.proof_index"),
        ("index 4", "Index 4", "log.proof_index"),
        ("index 4\n", "", "log.proof_index"),
        (HASH, HASH[:-4], "log.proof_hash"),
        (HASH, HASH + " ", "log.proof_hash"),
        (HASH, "\n".join([HASH] * 64), "log.proof_too_long"),
        ("\n\n", "\n", "log.proof_no_checkpoint"),
        (NOTE_7, NOTE_7.replace("\n\n", "\n"), "log.note_unsigned"),
        (NOTE_7, NOTE_7 + " ", "log.note_unsigned"),
        (NOTE_7, "x" * 300_000, "log.proof_too_large"),
    ],
)
def test_no_proof(old: str, new: str, code: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    with refused(code):
        proof.verify(text, LEAVES[4], SITE.public)
