"""What a bundle deserves: a receipt, the receipt it already has, or an answer. Pure: values in, an outcome out.

Only positive evidence is a fork: the site's own valid signature on another root at a size we hold. All else may be the
network's doing and is answered so that an honest site can go on: 400 send again, 409 you and I stand elsewhere (with
our signature on where we stand), 403 not under this key. Nothing here knows plans, periods or people: a receipt says
"consistent with all I have seen, and I hold every leaf", and that is all it waits for.
"""

from __future__ import annotations

from dataclasses import dataclass

from mrv.errors import Fault, MrvError, fault
from mrv.exchange import Code
from mrv.log.bundle import Bundle
from mrv.log.checkpoint import Checkpoint, cosigned, peek
from mrv.log.merkle import Frontier, leaf_hash
from mrv.log.note import VerifyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the archive holds of one log, as far as one bundle asks.

    `frontier` is the tree of all leaves held and `note` its cosigned checkpoint (None: nothing held yet). `claimed` is
    the root at the bundle's checkpoint when its size is held, `overlap` the leaves held from the bundle's `old` on.
    `receipt` is the root we cosigned at the size of the receipt in the bundle's header, None if we never did.
    `last_size` is where the key was closed.
    """

    frontier: Frontier
    note: str | None
    forked: bool
    claimed: bytes | None
    overlap: tuple[bytes, ...]
    receipt: bytes | None
    last_size: int | None

    @property
    def size(self) -> int:
        return self.frontier.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Persist `leaves` behind those held, then cosign the checkpoint: a receipt."""

    leaves: tuple[bytes, ...]
    frontier: Frontier


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """All of it is held already: send the newest receipt once more."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer. `proof`: it carries our newest receipt. `alarm`: a person must look. `fork`: sign nothing more."""

    code: Code
    fault: Fault
    proof: bool = False
    alarm: bool = False
    fork: bool = False


Outcome = Extend | Again | Refusal


def decide(bundle: Bundle, claim: Checkpoint, held: Held, ours: VerifyKey) -> Outcome:
    """The outcome of a bundle whose checkpoint `claim` carries the site's valid signature."""
    return (
        _archive_lost(bundle, claim, held, ours)
        or _fork(claim, held)
        or _known(claim, held)
        or _closed(claim, held)
        or _misplaced(bundle, claim, held)
        or _extension(bundle, claim, held)
    )


def receipt_claim(bundle: Bundle, origin: str, ours: VerifyKey) -> Checkpoint | None:
    """The receipt in the header, if it is truly ours and of this log; anything else there means nothing."""
    if bundle.receipt is None:
        return None
    try:
        cosigned(bundle.receipt, (ours,))
        found = peek(bundle.receipt)
    except MrvError:
        return None
    return found if found.origin == origin else None


def _archive_lost(bundle: Bundle, claim: Checkpoint, held: Held, ours: VerifyKey) -> Refusal | None:
    """The site shows our own signature on something we do not hold: our archive was cut off or replaced."""
    shown = receipt_claim(bundle, claim.origin, ours)
    if shown is None or shown.root == held.receipt:
        return None
    what = fault("collector.archive_lost", claim.origin, held=held.size, receipt=shown.size)
    return Refusal(code=409, fault=what, proof=True, alarm=True)


def _fork(claim: Checkpoint, held: Held) -> Refusal | None:
    if claim.size <= held.size and claim.root != held.claimed:
        what = fault("collector.fork", claim.origin, size=claim.size)
        return Refusal(code=403, fault=what, alarm=True, fork=True)
    if held.forked and claim.size > held.size:
        return Refusal(code=403, fault=fault("collector.forked", claim.origin, size=held.size))
    return None


def _known(claim: Checkpoint, held: Held) -> Again | Refusal | None:
    if claim.size > held.size:
        return None
    if held.note is None:
        return Refusal(code=400, fault=fault("collector.no_leaves", claim.origin))
    return Again(note=held.note)


def _closed(claim: Checkpoint, held: Held) -> Refusal | None:
    if held.last_size is None or claim.size <= held.last_size:
        return None
    return Refusal(code=403, fault=fault("collector.key_closed", claim.origin, size=held.last_size))


def _misplaced(bundle: Bundle, claim: Checkpoint, held: Held) -> Refusal | None:
    if bundle.old + len(bundle.leaves) != claim.size:
        what = fault("collector.leaf_count", claim.origin, expected=claim.size - bundle.old, found=len(bundle.leaves))
        return Refusal(code=400, fault=what)
    if bundle.old > held.size:
        what = fault("collector.leaves_before", claim.origin, held=held.size, old=bundle.old)
        return Refusal(code=409, fault=what, proof=True)
    if bundle.leaves[: held.size - bundle.old] != held.overlap:
        what = fault("collector.leaves_differ", claim.origin, held=held.size, old=bundle.old)
        return Refusal(code=409, fault=what, proof=True)
    return None


def _extension(bundle: Bundle, claim: Checkpoint, held: Held) -> Extend | Refusal:
    leaves = bundle.leaves[held.size - bundle.old :]
    frontier = held.frontier.extend(map(leaf_hash, leaves))
    if frontier.root() != claim.root:
        return Refusal(code=400, fault=fault("collector.root_differs", claim.origin, size=claim.size))
    return Extend(leaves=leaves, frontier=frontier)
