"""The tree over all leaves of a log: RFC 9162 section 2.1 with SHA-256.

A log grows by a `Frontier`, the roots of the perfect subtrees that cover it: at most 63 hashes, whatever its size.
Proofs are made from leaf hashes and checked against roots; every check is strict about hash lengths and sizes, because
the textbook algorithms accept empty hashes and proofs from the empty tree. Nothing here is signed or stored.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mrv.errors import BadInput, Refused, fault

HASH_SIZE = 32
#: Sizes are below 2^63, so no proof is longer than 63 hashes (consistency: one more).
MAX_SIZE = 2**63
_SIZE_BYTES = 8


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's bytes (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The perfect subtrees of a tree of `size` leaves, largest first: one hash per set bit of `size`."""

    size: int
    hashes: tuple[bytes, ...]

    def append(self, leaf: bytes) -> Frontier:
        """The frontier with one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier with more leaf hashes: amortised one inner hash each, one copy for all of them."""
        stack, size = list(self.hashes), self.size
        for found in leaves:
            node, carry = found, size
            while carry & 1:
                node = _node(stack.pop(), node)
                carry >>= 1
            stack.append(node)
            size += 1
        return Frontier(size, tuple(stack))

    def root(self) -> bytes:
        """The root of the tree; of the empty tree, SHA-256 of nothing."""
        if not self.hashes:
            return hashlib.sha256(b"").digest()
        root = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            root = _node(left, root)
        return root

    def last_proof(self) -> tuple[bytes, ...]:
        """The inclusion proof of the NEXT leaf, at index `size`, in the tree that ends with it.

        The newest leaf's siblings are exactly the subtrees before it, smallest first: who keeps the frontier from
        before an append has the proof of the last leaf without reading any other.
        """
        return self.hashes[::-1]

    def encode(self) -> bytes:
        """Size as 8 bytes, big-endian, then the hashes: what a store keeps beside its head."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """Read what `encode` wrote. Raises BadInput for anything else."""
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        if size >= MAX_SIZE or len(data) != _SIZE_BYTES + HASH_SIZE * size.bit_count():
            raise BadInput(fault("log.frontier_malformed", length=len(data)))
        return cls(size, tuple(data[i : i + HASH_SIZE] for i in range(_SIZE_BYTES, len(data), HASH_SIZE)))


EMPTY = Frontier(0, ())


def _parents(level: Sequence[bytes]) -> list[bytes]:
    """One level up; an odd last node rises as it is."""
    up = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*up, level[-1]] if len(level) % 2 else up


def _path(index: int, level: Sequence[bytes]) -> list[bytes]:
    """The siblings on the way from node `index` of `level` to the root, lowest first."""
    path = []
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        level, index = _parents(level), index >> 1
    return path


def inclusion_proof(index: int, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of these leaf hashes (RFC 9162 section 2.1.3.1).

    Raises Refused (`log.index_out_of_range`).
    """
    _check_index(index, len(hashes))
    return tuple(_path(index, hashes))


def inclusion_proofs(indices: Iterable[int], hashes: Iterable[bytes]) -> dict[int, tuple[bytes, ...]]:
    """`inclusion_proof` of several leaves in one pass, holding no more than a few nodes at a time.

    Raises Refused (`log.index_out_of_range`).
    """
    paths: dict[int, list[bytes]] = {index: [] for index in indices}
    wanted = sorted(paths)
    stack: list[tuple[int, int, bytes]] = []  # (first leaf, leaves, hash), perfect subtrees from left to right
    size = 0
    for found in hashes:
        stack.append((size, 1, found))
        size += 1
        while len(stack) > 1 and stack[-2][1] == stack[-1][1]:
            right, left = stack.pop(), stack.pop()
            stack.append(_joined(left, right, wanted, paths))
    while len(stack) > 1:
        right, left = stack.pop(), stack.pop()
        stack.append(_joined(left, right, wanted, paths))
    for index in wanted:
        _check_index(index, size)
    return {index: tuple(path) for index, path in paths.items()}


def _joined(
    left: tuple[int, int, bytes], right: tuple[int, int, bytes], wanted: list[int], paths: dict[int, list[bytes]]
) -> tuple[int, int, bytes]:
    """Two neighbours as one node; each is the sibling of the wanted leaves in the other."""
    start, middle, end = left[0], right[0], right[0] + right[1]
    for at in range(bisect_left(wanted, start), len(wanted)):
        if wanted[at] >= end:
            break
        paths[wanted[at]].append(right[2] if wanted[at] < middle else left[2])
    return start, end - start, _node(left[2], right[2])


def consistency_proof(size1: int, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """The proof that the tree of these leaf hashes begins with its first `size1` leaves (RFC 9162 section 2.1.4.1).

    Raises Refused (`log.sizes_out_of_order`) unless 1 <= size1 <= size.
    """
    _check_sizes(size1, len(hashes))
    if size1 == len(hashes):
        return ()
    level, index = hashes, size1 - 1
    while index & 1:
        level, index = _parents(level), index >> 1
    # `index` is now the last perfect subtree of the old tree; where that is the whole old tree, its root is known.
    return tuple(([level[index]] if index else []) + _path(index, level))


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (a leaf hash) is at `index` of the tree (RFC 9162 section 2.1.3.2). Raises Refused."""
    _check_index(index, size)
    _check_hashes(leaf, *proof, root)
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Refused(fault("log.proof_length", size=size, length=len(proof)))
        if at & 1 or at == last:
            found = _node(sibling, found)
            at, last = _climb(at, last)
        else:
            found = _node(found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Refused(fault("log.proof_length", size=size, length=len(proof)))
    if found != root:
        raise Refused(fault("log.inclusion_failed", index=index, size=size))


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that tree 2 begins with tree 1 (RFC 9162 section 2.1.4.2). Raises Refused."""
    _check_sizes(size1, size2)
    _check_hashes(*proof, root1, root2)
    if size1 == size2:
        if proof:
            raise Refused(fault("log.proof_length", size=size2, length=len(proof)))
        if root1 != root2:
            raise Refused(fault("log.consistency_failed", size1=size1, size2=size2))
        return
    path = [root1, *proof] if size1.bit_count() == 1 else list(proof)
    if _both_roots(size1, size2, path) != (root1, root2):
        raise Refused(fault("log.consistency_failed", size1=size1, size2=size2))


def _both_roots(size1: int, size2: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that follow from a consistency path, the old tree's last perfect subtree first."""
    at, last = size1 - 1, size2 - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    wrong_length = Refused(fault("log.proof_length", size=size2, length=len(path)))
    if not path:
        raise wrong_length
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise wrong_length
        if at & 1 or at == last:
            old, new = _node(sibling, old), _node(sibling, new)
            at, last = _climb(at, last)
        else:
            new = _node(new, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise wrong_length
    return old, new


def _climb(at: int, last: int) -> tuple[int, int]:
    """Skip the levels on which the node at the right edge has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size < MAX_SIZE:
        raise Refused(fault("log.index_out_of_range", index=index, size=size))


def _check_sizes(size1: int, size2: int) -> None:
    if not 1 <= size1 <= size2 < MAX_SIZE:
        raise Refused(fault("log.sizes_out_of_order", size1=size1, size2=size2))


def _check_hashes(*hashes: bytes) -> None:
    for found in hashes:
        if len(found) != HASH_SIZE:
            raise Refused(fault("log.hash_length", length=len(found)))
