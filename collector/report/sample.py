"""A sample of readings that nobody could choose: by SHA-256 from what the office signed for, with proofs.

The seed holds the roots of the newest receipts, so that neither site nor office knew the choice before those were
signed; whoever holds the logs finds the same leaves. Proofs are made in one pass over each log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from collector.archive import Archive
from collector.report.material import Sample
from collector.report.sealed import SiteUsages
from mrv import codec, leaf, period
from mrv.binding import BoundMeter
from mrv.errors import BadInput
from mrv.leaf import Config
from mrv.log import proof
from mrv.log.merkle import inclusion_proofs, leaf_hash
from mrv.profile import Profile
from mrv.reading import Reading
from mrv.redecode import Fix

#: Draws per wanted reading: gaps and other meters are drawn too and passed over.
_DRAWS = 200


def seed(project: str, start: int, end: int, roots: Sequence[str]) -> str:
    """What the draws are made from: SHA-256 of project, period and the roots, one line each."""
    return leaf.digest("\n".join((project, str(start), str(end), *roots)).encode())


def draw(
    archive: Archive,
    spans: Sequence[tuple[str, int, int]],
    points: frozenset[str],
    usages: SiteUsages,
    source: str,
    count: int,
) -> tuple[Sample, ...]:
    """`count` readings of meters at `points` out of `spans` (origin, first leaf, one past the last), or fewer."""
    total = sum(stop - first for _, first, stop in spans)
    chosen: dict[tuple[str, int], Reading] = {}
    for number in range(count * _DRAWS if total else 0):
        if len(chosen) >= count:
            break
        at = int(hashlib.sha256(f"{source} {number}".encode()).hexdigest(), 16) % total
        origin, index = _nth(spans, at)
        reading = _reading(archive, origin, index)
        if reading is not None and _bound_point(usages, origin, reading) in points:
            chosen[origin, index] = reading
    proofs = dict(_proofs(archive, sorted(chosen)))
    return tuple(
        _sample(usages, origin, index, reading, proofs[origin, index]) for (origin, index), reading in chosen.items()
    )


def _nth(spans: Sequence[tuple[str, int, int]], at: int) -> tuple[str, int]:
    for origin, first, stop in spans:
        if at < stop - first:
            return origin, first + at
        at -= stop - first
    raise IndexError(at)


def _reading(archive: Archive, origin: str, index: int) -> Reading | None:
    for data in archive.leaves(origin, index, index + 1):
        try:
            fact = leaf.decode(data)
        except BadInput:
            return None
        return fact if isinstance(fact, Reading) else None
    return None


def _config(usages: SiteUsages, origin: str, number: int) -> Config | None:
    return usages.configs.get(origin, {}).get(number)


def _bound_point(usages: SiteUsages, origin: str, reading: Reading) -> str | None:
    bound, _ = _bound(usages, origin, reading)
    return bound.point if bound else None


def decoded(usages: SiteUsages, origin: str, reading: Reading) -> dict[str, str]:
    """The registers of `reading` decoded again from its raw words; empty where the log does not say how."""
    bound, digest = _bound(usages, origin, reading)
    return _decoded(usages.contents[origin].profile(digest), bound, reading) if bound else {}


def put_right(usages: SiteUsages, origin: str, reading: Reading) -> tuple[Fix, dict[str, str]] | None:
    """The fix that `reading` is decoded by since its profile turned out wrong, and its registers by that."""
    bound, digest = _bound(usages, origin, reading)
    at = reading.ts if reading.slot is None else reading.slot
    for fix in usages.fixes if bound else ():
        if digest == fix.record.wrong and at >= fix.since:
            return fix, _decoded(fix.profile, bound, reading)
    return None


def decoded_twice(usages: SiteUsages, origin: str, reading: Reading) -> dict[str, str]:
    """As `decoded`; and, with the digest of the text beside, what is right where the profile turned out wrong."""
    found = put_right(usages, origin, reading)
    right = {f"{name} ({found[0].record.right[:16]})": text for name, text in found[1].items()} if found else {}
    return decoded(usages, origin, reading) | right


def _bound(usages: SiteUsages, origin: str, reading: Reading) -> tuple[BoundMeter | None, str]:
    """The meter as it was bound when `reading` was taken, and the digest of its profile; (None, "") if nobody knows."""
    config, content = _config(usages, origin, reading.config), usages.contents.get(origin)
    binding = content.binding(config.binding) if config and content else None
    bound = next((one for one in binding.meters if one.meter == reading.meter), None) if binding else None
    return (bound, config.profiles.get(bound.profile, "")) if config and bound else (None, "")


def _decoded(profile: Profile | None, bound: BoundMeter | None, reading: Reading) -> dict[str, str]:
    if profile is None or bound is None:
        return {}
    try:
        return codec.registers(profile, codec.decode(profile, bound.settings, codec.unpack(reading.raw)))
    except BadInput:
        return {}


def _proofs(archive: Archive, places: Sequence[tuple[str, int]]) -> Iterator[tuple[tuple[str, int], tuple[str, str]]]:
    """((origin, index), (leaf hash, proof)) for each place; every log is hashed once."""
    for origin in sorted({origin for origin, _ in places}):
        head = archive.head(origin)
        wanted = [index for name, index in places if name == origin]
        leaves = map(leaf_hash, archive.leaves(origin, 0, head.size))
        for index, path in inclusion_proofs(wanted, leaves).items():
            (own,) = map(leaf_hash, archive.leaves(origin, index, index + 1))
            yield (origin, index), (own.hex(), proof.write(index, path, head.note or ""))


def _sample(usages: SiteUsages, origin: str, index: int, reading: Reading, proven: tuple[str, str]) -> Sample:
    return Sample(
        origin=origin,
        index=index,
        meter=reading.meter,
        slot=reading.slot if reading.slot is not None and 0 <= reading.slot < period.LAST else None,
        words=reading.raw,
        decoded=decoded_twice(usages, origin, reading),
        leaf_hash=proven[0],
        proof=proven[1],
    )
