"""Programs not written here judge what we sign and prove: Go's sumdb (note, tlog) from Debian, and openssl."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from real import absent, need

from mrv.errors import Refused
from mrv.log.checkpoint import Checkpoint, cosign, issue, open_checkpoint
from mrv.log.merkle import (
    EMPTY,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from mrv.log.note import COSIGNATURE, NOTE, Note, SigningKey

pytestmark = pytest.mark.real
GOPATH = Path("/usr/share/gocode")
TREES = 300


class Judge:
    """One running Go process; a question, an answer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._questions, self._answers = process.stdin, process.stdout

    def ask(self, question: str, **fields: object) -> dict[str, object]:
        self._questions.write(json.dumps({"Ask": question, **{k: spelled(v) for k, v in fields.items()}}) + "\n")
        self._questions.flush()
        answer = json.loads(self._answers.readline())
        assert isinstance(answer, dict)
        return answer

    def accepts(self, question: str, **fields: object) -> bool:
        return bool(self.ask(question, **fields)["ok"])


def spelled(value: object) -> object:
    """Bytes as base64, as Go's JSON reads them."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [spelled(item) for item in value]
    return value


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Built from the two Debian packages alone, without network."""
    go = need("go")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        absent("golang.org/x/mod is not installed (Debian: apt install golang-golang-x-mod-dev)")
    binary = tmp_path_factory.mktemp("go") / "judge"
    cache = {} if "HOME" in os.environ else {"GOCACHE": str(binary.parent / "cache")}
    settings = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": "", "GOPROXY": "off"}
    source = Path(__file__).parent / "go" / "main.go"
    subprocess.run([go, "build", "-o", binary, source], env={**os.environ, **cache, **settings}, check=True)
    with subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Judge(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def flipped(data: bytes, source: random.Random) -> bytes:
    at = source.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << source.randrange(8),)) + data[at + 1 :]


def a_tree(source: random.Random) -> list[bytes]:
    size = source.choice([source.randint(1, 9), source.randint(1, 300), 1 << source.randint(0, 8)])
    return [source.randbytes(source.randint(0, 40)) for _ in range(size)]


def root_of(leaves: list[bytes]) -> bytes:
    return EMPTY.extend(map(leaf_hash, leaves)).root()


def test_go_agrees_on_random_trees(judge: Judge) -> None:
    """Root and both proofs are what tlog computes from the leaves, and tlog accepts ours."""
    source = random.Random(1)
    for _ in range(TREES):
        leaves = a_tree(source)
        hashes, size, root = [leaf_hash(data) for data in leaves], len(leaves), root_of(leaves)
        assert judge.ask("root", Leaves=leaves)["proof"] == [spelled(root)]

        index = source.randrange(size)
        proof = inclusion_proof(index, hashes)
        assert judge.ask("prove-inclusion", Leaves=leaves, Index=index).get("proof", []) == spelled(proof)
        assert judge.accepts("inclusion", Index=index, Size=size, Leaf=leaves[index], Proof=proof, Root=root)

        size1 = source.randint(1, size)
        root1, proof = root_of(leaves[:size1]), consistency_proof(size1, hashes)
        assert judge.ask("prove-consistency", Leaves=leaves, Size1=size1).get("proof", []) == spelled(proof)
        assert judge.accepts("consistency", Size1=size1, Size=size, Proof=proof, Root1=root1, Root=root)


def test_go_and_we_refuse_the_same_flipped_bits(judge: Judge) -> None:
    source = random.Random(2)
    for _ in range(TREES):
        leaves = a_tree(source)
        hashes, size, root = [leaf_hash(data) for data in leaves], len(leaves), root_of(leaves)
        index, size1 = source.randrange(size), source.randint(1, size)
        root1 = root_of(leaves[:size1])

        path = list(inclusion_proof(index, hashes))
        leaf, wrong, bad = leaves[index], list(path), root
        if path and source.random() < 0.5:
            at = source.randrange(len(path))
            wrong[at] = flipped(path[at], source)
        elif leaf and source.random() < 0.5:
            leaf = flipped(leaf, source)
        else:
            bad = flipped(root, source)
        assert not judge.accepts("inclusion", Index=index, Size=size, Leaf=leaf, Proof=wrong, Root=bad)
        with pytest.raises(Refused):
            verify_inclusion(index, size, leaf_hash(leaf), wrong, bad)

        path = list(consistency_proof(size1, hashes))
        wrong, bad, bad1 = list(path), root, root1
        if path and source.random() < 0.5:
            at = source.randrange(len(path))
            wrong[at] = flipped(path[at], source)
        elif source.random() < 0.5:
            bad1 = flipped(root1, source)
        else:
            bad = flipped(root, source)
        assert not judge.accepts("consistency", Size1=size1, Size=size, Proof=wrong, Root1=bad1, Root=bad)
        with pytest.raises(Refused):
            verify_consistency(size1, size, wrong, bad1, bad)


def some_keys(source: random.Random) -> tuple[SigningKey, SigningKey]:
    site = f"example.org/mrv/site-{source.randrange(100)}/k{source.randint(1, 9)}"
    return SigningKey(site, NOTE, source.randbytes(32)), SigningKey(
        "x.org/mrv/collector", COSIGNATURE, source.randbytes(32)
    )


def test_go_opens_checkpoints_and_receipts(judge: Judge) -> None:
    source = random.Random(3)
    for _ in range(TREES):
        site, office = some_keys(source)
        head = Checkpoint(site.name, source.randrange(2**63), source.randbytes(32))
        note, time = issue(head, site), source.randrange(2**40)
        receipt = cosign(note, office, time)
        for data in (note, receipt):
            opened = judge.ask("checkpoint", Note=data.encode(), Vkey=site.vkey)
            assert (opened["ok"], opened["text"]) == (True, head.text)
        opened = judge.ask("receipt", Note=receipt.encode(), Vkey=office.vkey)
        assert (opened["ok"], opened["text"], opened.get("time", 0)) == (True, head.text, time)
        assert not judge.accepts("receipt", Note=note.encode(), Vkey=office.vkey)


def test_go_refuses_flipped_bits_in_checkpoints_and_receipts(judge: Judge) -> None:
    source = random.Random(4)
    for _ in range(TREES):
        site, office = some_keys(source)
        head = Checkpoint(site.name, source.randrange(2**63), source.randbytes(32))
        receipt = cosign(issue(head, site), office, source.randrange(2**40))
        text = receipt.partition("\n\n")[0].encode()
        changed = flipped(text, source) + receipt.encode()[len(text) :]
        assert not judge.accepts("checkpoint", Note=changed, Vkey=site.vkey)
        assert not judge.accepts("receipt", Note=changed, Vkey=office.vkey)

        by_site, by_office = Note.parse(receipt).signatures
        for asked, key, line in (("checkpoint", site, by_site), ("receipt", office, by_office)):
            forged = type(line)(line.name, line.key_id, flipped(line.blob, source)).line
            assert not judge.accepts(asked, Note=receipt.replace(line.line, forged).encode(), Vkey=key.vkey)


def test_openssl_verifies_the_bare_signature(tmp_path: Path) -> None:
    """What an auditor does without us: the three lines, the last 64 bytes of the signature, the public key."""
    openssl = need("openssl")
    site, _ = some_keys(random.Random(5))
    note = issue(Checkpoint(site.name, 42, bytes(32)), site)
    text, _, line = note.partition("\n\n")
    key = Ed25519PublicKey.from_public_bytes(site.public.public)
    (tmp_path / "pub.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "sig").write_bytes(base64.b64decode(line.split(" ")[2])[4:])
    command = f"{openssl} pkeyutl -verify -pubin -inkey pub.pem -rawin -in text -sigfile sig".split()
    for content, verified in ((text + "\n", True), (text + "\n\n", False), (text.replace("42", "43") + "\n", False)):
        (tmp_path / "text").write_text(content)
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (found.returncode == 0) is verified
        assert ("Signature Verified Successfully" in found.stdout) is verified
    assert open_checkpoint(note, site.public).size == 42
