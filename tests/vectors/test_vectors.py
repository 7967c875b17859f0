"""The vectors are what the code makes, what the specifications say, and what docs/wire.md shows."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import generate
import meter_cases
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drivers.profiles import library
from mrv import codec, leaf
from mrv.binding import Settings
from mrv.leaf import KINDS
from mrv.log import bundle, proof
from mrv.log.checkpoint import cosigned, open_checkpoint
from mrv.log.merkle import EMPTY, Frontier, leaf_hash, verify_consistency, verify_inclusion
from mrv.log.note import VerifyKey

WIRE = Path(__file__).resolve().parents[2] / "docs" / "wire.md"
V: dict[str, Any] = json.loads(generate.FILE.read_text())
LEAVES = [entry["bytes"].encode() for entry in V["leaves"].values()]
ROOTS = [bytes.fromhex(tree["root"]) for tree in V["trees"]]


def test_regenerating_is_a_no_op() -> None:
    assert generate.text() == generate.FILE.read_text()


# -- read again from the specifications alone: hashlib, base64, gzip and an Ed25519, nothing of ours -------------------


def mth(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return hashlib.sha256(b"\x00" + leaves[0] if leaves else b"").digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def test_hashes_and_roots() -> None:
    for data, entry in zip(LEAVES, V["leaves"].values(), strict=True):
        assert hashlib.sha256(b"\x00" + data).hexdigest() == entry["hash"]
    assert [mth(LEAVES[:size]) for size in range(len(LEAVES) + 1)] == ROOTS
    assert [tree["size"] for tree in V["trees"]] == list(range(10))


def test_keys() -> None:
    for name, kind in (("site", b"\x01"), ("collector", b"\x04")):
        held = V["keys"][name]
        title, key_id, material = held["vkey"].split("+", 2)
        public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(held["seed"])).public_key().public_bytes_raw()
        assert base64.b64decode(material) == kind + public
        assert hashlib.sha256(title.encode() + b"\n" + kind + public).digest()[:4].hex() == key_id == held["id"]


def signature(note: str, name: str) -> tuple[bytes, bytes]:
    """The bytes of a signature line by the key `name` after its id, and the public key."""
    title, key_id, material = V["keys"][name]["vkey"].split("+", 2)
    (line,) = [found for found in note.split("\n") if found.startswith(f"— {title} ")]
    blob = base64.b64decode(line.rsplit(" ", 1)[1])
    assert blob[:4].hex() == key_id
    return blob[4:], base64.b64decode(material)[1:]


def test_signatures() -> None:
    for note, size in ((V["checkpoint"], 9), (V["receipt"], generate.OLD)):
        text = note.partition("\n\n")[0] + "\n"
        assert text.split("\n")[1:3] == [str(size), base64.b64encode(ROOTS[size]).decode()]
        signed, public = signature(note, "site")
        Ed25519PublicKey.from_public_bytes(public).verify(signed, text.encode())
    signed, public = signature(V["receipt"], "collector")
    assert int.from_bytes(signed[:8], "big") == V["receipt_time"]
    Ed25519PublicKey.from_public_bytes(public).verify(signed[8:], V["cosigned_message"].encode())


def test_bundle_bytes() -> None:
    data = bytes.fromhex(V["bundle"]["bytes"])
    length = int.from_bytes(data[:4], "big")
    header = json.loads(data[4 : 4 + length])
    assert header == {"v": 1, "old": generate.OLD, "receipt": V["receipt"], "checkpoint": V["checkpoint"]}
    assert data[4 : 4 + length].decode() == V["bundle"]["header"]
    plain = gzip.decompress(data[4 + length :])
    assert plain.hex() == V["entries"]
    assert plain == b"".join(len(data).to_bytes(2, "big") + data for data in LEAVES[generate.OLD :])


# -- read by our own code ----------------------------------------------------------------------------------------------


def test_our_readers_accept_them() -> None:
    site, office = (VerifyKey.parse(V["keys"][name]["vkey"]) for name in ("site", "collector"))
    assert open_checkpoint(V["checkpoint"], site).root == ROOTS[9]
    assert open_checkpoint(V["receipt"], site).size == generate.OLD
    assert cosigned(V["receipt"], [office]) == V["receipt_time"]
    assert proof.verify(V["tlog_proof"], LEAVES[8], site).size == 9
    assert proof.read(V["tlog_proof"]).extra == LEAVES[8]
    assert bundle.unpack(bytes.fromhex(V["bundle"]["bytes"])).leaves == tuple(LEAVES[generate.OLD :])
    assert [Frontier.decode(bytes.fromhex(tree["frontier"])).root() for tree in V["trees"]] == ROOTS
    assert EMPTY.extend(map(leaf_hash, LEAVES)).encode().hex() == V["trees"][9]["frontier"]


def test_every_proof_holds() -> None:
    assert len(V["inclusion"]) == len(V["consistency"]) == 45
    for case in V["inclusion"]:
        path = [bytes.fromhex(found) for found in case["proof"]]
        verify_inclusion(case["index"], case["size"], leaf_hash(LEAVES[case["index"]]), path, ROOTS[case["size"]])
    for case in V["consistency"]:
        path = [bytes.fromhex(found) for found in case["proof"]]
        verify_consistency(case["size1"], case["size2"], path, ROOTS[case["size1"]], ROOTS[case["size2"]])


def test_there_is_one_leaf_of_each_kind() -> None:
    assert V["leaves"].keys() | V["more"].keys() >= KINDS.keys()
    for entry in V["more"].values():
        assert leaf.decode(entry["bytes"].encode()) is not None
        assert hashlib.sha256(b"\x00" + entry["bytes"].encode()).hexdigest() == entry["hash"]
    for kind, data in zip(V["leaves"], LEAVES, strict=True):
        found = leaf.decode(data)
        assert found is not None
        assert KINDS[kind] is type(found)


def test_the_reading_says_what_its_words_say() -> None:
    """Decoded again with the meter's profile, and the usage and the reduction follow by hand."""
    reading, usage, summary = (json.loads(V["leaves"][kind]["bytes"]) for kind in ("reading", "usage", "summary"))
    profile = meter_cases.behind_transformers(library()["eastron_sdm630"])
    decoded = codec.decode(profile, Settings(ratio="400/5"), codec.unpack(reading["raw"]))
    assert codec.registers(profile, decoded) == reading["r"]
    assert usage["r"]["2.8.0"]["c"] == reading["r"]["2.8.0"]
    net = Fraction(usage["r"]["2.8.0"]["d"]) - Fraction(usage["r"]["1.8.0"]["d"])
    assert Fraction(summary["projects"][0]["er"]) == net * Fraction(400, 5) * Fraction("0.3")
    assert summary["usages"] == [hashlib.sha256(LEAVES[7]).hexdigest()]


# -- docs/wire.md --------------------------------------------------------------------------------------------------

QUOTE = re.compile(r"^<!-- vector: (\S+) -->\n\n?```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def at(path: str) -> str:
    found: Any = V
    for part in path.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def test_every_example_of_the_document_is_a_vector() -> None:
    text = WIRE.read_text()
    quoted = dict(QUOTE.findall(text))
    assert text.count("\n```\n") == 2 * len(quoted), "a block without a language is an example and names its vector"
    for path, block in quoted.items():
        assert block.rstrip("\n") == at(path).rstrip("\n"), path


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_document_shows_every_kind_and_names_every_field(kind: str) -> None:
    text = WIRE.read_text()
    assert f"<!-- vector: {'leaves' if kind in V['leaves'] else 'more'}.{kind}.bytes -->" in text
    section = re.search(rf"^### `{kind}`\n(.*?)^##", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    rows = set(re.findall(r"^\| `([a-z]+)` \|[^|]*\|[^|]*\|$", section[1], re.MULTILINE))  # key, meaning, type
    stamp = {"b", "bt", "ts", "c"} if "stamp" in section[1].partition("|")[0] else set()
    assert rows | stamp == {field.encode_name for field in fields(kind)}


def fields(kind: str) -> list[Any]:
    import msgspec

    return list(msgspec.structs.fields(KINDS[kind]))
