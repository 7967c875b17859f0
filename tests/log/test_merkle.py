"""The tree: third-party vectors, the textbook's own recursion as a second opinion, and what must be refused."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real import vectors
from refusals import refused

from mrv.errors import Refused
from mrv.log.merkle import (
    EMPTY,
    Frontier,
    consistency_proof,
    inclusion_proof,
    inclusion_proofs,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

#: The one valid third-party case that is refused here: its roots are not 32 bytes long.
NOT_HASHES = "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json"


def textbook(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + textbook(leaves[:k]) + textbook(leaves[k:])).digest()


def textbook_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m < k:
        return [*textbook_path(m, leaves[:k]), textbook(leaves[k:])]
    return [*textbook_path(m - k, leaves[k:]), textbook(leaves[:k])]


def textbook_subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162 section 2.1.4.1."""
    n = len(leaves)
    if m == n:
        return [] if whole else [textbook(leaves)]
    k = 1 << (n - 1).bit_length() - 1
    if m <= k:
        return [*textbook_subproof(m, leaves[:k], whole=whole), textbook(leaves[k:])]
    return [*textbook_subproof(m - k, leaves[k:], whole=False), textbook(leaves[:k])]


LEAVES = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def hashed(leaves: list[bytes]) -> list[bytes]:
    return [leaf_hash(data) for data in leaves]


@given(LEAVES, st.data())
def test_frontier_gives_the_textbook_root_however_it_grows(leaves: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(leaves)))
    grown = EMPTY.extend(hashed(leaves[:cut])).extend(hashed(leaves[cut:]))
    one_by_one = EMPTY
    for leaf in hashed(leaves):
        one_by_one = one_by_one.append(leaf)
    assert grown == one_by_one
    assert grown.root() == textbook(leaves)
    assert Frontier.decode(grown.encode()) == grown


def test_empty_tree() -> None:
    assert EMPTY.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier.decode(EMPTY.encode()) == EMPTY


@given(LEAVES, st.data())
def test_inclusion_proofs_are_the_textbooks_and_hold(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(index, hashed(leaves))
    assert list(proof) == textbook_path(index, leaves)
    verify_inclusion(index, len(leaves), leaf_hash(leaves[index]), proof, textbook(leaves))


@given(LEAVES)
def test_the_frontier_before_an_append_proves_the_last_leaf(leaves: list[bytes]) -> None:
    before = EMPTY.extend(hashed(leaves[:-1]))
    assert before.last_proof() == inclusion_proof(len(leaves) - 1, hashed(leaves))


@given(LEAVES, st.data())
def test_consistency_proofs_are_the_textbooks_and_hold(leaves: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(leaves)))
    proof = consistency_proof(size, hashed(leaves))
    assert list(proof) == textbook_subproof(size, leaves, whole=True)
    verify_consistency(size, len(leaves), proof, textbook(leaves[:size]), textbook(leaves))


@given(LEAVES, st.data())
def test_a_proof_holds_for_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    size, root, leaf = len(leaves), textbook(leaves), leaf_hash(leaves[index])
    proof = list(inclusion_proof(index, hashed(leaves)))
    wrong = data.draw(st.sampled_from(["index", "leaf", "root", "shorter", "longer", "hash"]))
    if wrong == "index":
        index = data.draw(st.integers(0, size + 2).filter(lambda i: i >= size or leaves[i] != leaves[index]))
    elif wrong == "leaf":
        leaf = bytes((leaf[0] ^ 1,)) + leaf[1:]
    elif wrong == "root":
        root = root[:-1] + bytes((root[-1] ^ 128,))
    elif wrong == "longer" or not proof:
        proof.append(root)
    elif wrong == "shorter":
        proof.pop()
    else:
        at = data.draw(st.integers(0, len(proof) - 1))
        proof[at] = hashlib.sha256(proof[at]).digest()
    with pytest.raises(Refused):
        verify_inclusion(index, size, leaf, proof, root)


@given(LEAVES, st.data())
def test_a_rewritten_log_is_not_consistent(leaves: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(leaves)))
    at = data.draw(st.integers(0, size - 1))
    other = [*leaves[:at], leaves[at] + b"!", *leaves[at + 1 :]]
    proof = consistency_proof(size, hashed(other))
    with pytest.raises(Refused):
        verify_consistency(size, len(leaves), proof, textbook(leaves[:size]), textbook(other))


def test_strictness() -> None:
    a, b = leaf_hash(b"a"), leaf_hash(b"b")
    root = textbook([b"a", b"b"])
    with refused("log.index_out_of_range"):
        verify_inclusion(2, 2, a, [b], root)
    with refused("log.index_out_of_range"):
        verify_inclusion(-1, 2, a, [b], root)
    with refused("log.index_out_of_range"):
        inclusion_proof(0, [])
    with refused("log.hash_length"):
        verify_inclusion(0, 2, a, [b""], root)
    with refused("log.hash_length"):
        verify_inclusion(0, 1, b"", [], b"")
    with refused("log.proof_length"):
        verify_inclusion(0, 2, a, [], root)
    with refused("log.proof_length"):
        verify_inclusion(0, 2, a, [b, b], root)
    with refused("log.inclusion_failed"):
        verify_inclusion(1, 2, a, [b], root)
    with refused("log.sizes_out_of_order"):
        verify_consistency(0, 2, [], a, root)
    with refused("log.sizes_out_of_order"):
        verify_consistency(2, 1, [], root, a)
    with refused("log.sizes_out_of_order"):
        consistency_proof(0, [a])
    with refused("log.proof_length"):
        verify_consistency(1, 2, [], a, root)
    with refused("log.proof_length"):
        verify_consistency(3, 4, [], a, root)
    with refused("log.proof_length"):
        verify_consistency(2, 2, [a], root, root)
    with refused("log.consistency_failed"):
        verify_consistency(1, 2, [a], a, root)
    with refused("log.consistency_failed"):
        verify_consistency(2, 2, [], root, a)


def test_a_huge_proof_is_read_no_further_than_the_tree_is_high() -> None:
    with refused("log.proof_length"):
        verify_inclusion(0, 2, leaf_hash(b"a"), [leaf_hash(b"b")] * 10_000, leaf_hash(b"r"))


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 7, b"\x00" * 9, b"\x00" * 7 + b"\x01", b"\xff" * 8 + b"\x00" * 32 * 64]
)
def test_no_frontier(data: bytes) -> None:
    with refused("log.frontier_malformed"):
        Frontier.decode(data)


def test_appends_cost_less_than_one_inner_hash_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amortised O(1), counted rather than timed: n leaves have fewer than n inner nodes."""
    calls = 0

    def counting(left: bytes, right: bytes) -> bytes:
        nonlocal calls
        calls += 1
        return left

    monkeypatch.setattr("mrv.log.merkle._node", counting)
    tree = EMPTY.extend(b"\x00" * 32 for _ in range(1 << 17))
    assert calls == (1 << 17) - 1
    assert len(tree.hashes) == 1


def cases(kind: str) -> list[Path]:
    """The third-party cases of a kind; empty where they are not installed (then one test says so)."""
    try:
        return sorted(vectors("merkle", "testdata", kind).rglob("*.json"))
    except pytest.skip.Exception:
        return []


def case_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def unbase64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_all_third_party_cases_are_there() -> None:
    root = vectors("merkle", "testdata")
    assert len(list((root / "inclusion").rglob("*.json"))) == 98
    assert len(list((root / "consistency").rglob("*.json"))) == 98


@pytest.mark.parametrize("path", cases("inclusion"), ids=case_id)
def test_third_party_inclusion(path: Path) -> None:
    case = json.loads(path.read_text())
    proof = [unbase64(p) for p in case["proof"] or []]
    arguments = case["leafIdx"], case["treeSize"], unbase64(case["leafHash"]), proof, unbase64(case["root"])
    if case["wantErr"]:
        with pytest.raises(Refused):
            verify_inclusion(*arguments)
    else:
        verify_inclusion(*arguments)


@pytest.mark.parametrize("path", cases("consistency"), ids=case_id)
def test_third_party_consistency(path: Path) -> None:
    case = json.loads(path.read_text())
    proof = [unbase64(p) for p in case["proof"] or []]
    arguments = case["size1"], case["size2"], proof, unbase64(case["root1"]), unbase64(case["root2"])
    if not case["wantErr"] and len(arguments[3]) != 32:
        assert path.as_posix().endswith(NOT_HASHES)
        with refused("log.hash_length"):
            verify_consistency(*arguments)
    elif case["wantErr"]:
        with pytest.raises(Refused):
            verify_consistency(*arguments)
    else:
        verify_consistency(*arguments)


@given(st.integers(1, 200), st.data())
def test_proofs_made_in_one_pass_are_those_made_one_by_one(size: int, data: st.DataObject) -> None:
    hashes = [leaf_hash(b"%d" % number) for number in range(size)]
    wanted = data.draw(st.sets(st.integers(0, size - 1), max_size=8))
    made = inclusion_proofs(wanted, iter(hashes))
    assert made == {index: inclusion_proof(index, hashes) for index in wanted}


def test_a_leaf_beyond_the_tree_has_no_proof_among_several() -> None:
    with pytest.raises(Refused):
        inclusion_proofs([0, 3], [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")])
