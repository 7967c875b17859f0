"""From raw bytes to a receipt: gather what `decide` needs, then do what it said.

Order matters and is the promise: the bytes are durable before anybody looks at them (`Archive.keep`); leaves, head and
cosigned checkpoint are durable in one transaction before the receipt leaves the house. Being killed between any two
steps is harmless: the arrival is still waiting, is decided again on what is then held, and gets the same receipt.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass

from collector.archive import Archive, Arrival, Exhibit, Extension
from collector.config import Identity
from collector.decide import Again, Extend, Held, Outcome, Refusal, decide, receipt_claim
from collector.enroll import first_use
from collector.registry import Registry, SiteKey
from link.failpoint import reach
from mrv.errors import BadInput, MrvError, fault
from mrv.exchange import MAX_SIZE, Answer, encode, site_of, topic
from mrv.log.bundle import Bundle, read_header, unpack
from mrv.log.checkpoint import Checkpoint, cosign, open_checkpoint, peek
from mrv.log.note import Note, VerifyKey

_log = logging.getLogger(__name__)
#: topic, payload, retain
Publish = Callable[[str, bytes, bool], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A bundle under the valid signature of an enrolled key: what can be decided upon."""

    site: str
    bundle: Bundle
    claim: Checkpoint
    key: SiteKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A bundle nobody enrolled has signed; `claim` is what it says of itself, if that can be read."""

    site: str
    claim: Checkpoint | None
    refusal: Refusal


class Receiver:
    """Deals with arrivals, one at a time."""

    def __init__(self, archive: Archive, registry: Registry, identity: Identity, publish: Publish) -> None:
        self._archive = archive
        self._registry = registry
        self._identity = identity
        self._ours = VerifyKey.parse(identity.key.vkey)
        self._publish = publish

    def handle(self, arrival: Arrival, now: int) -> str | None:
        """Deal with `arrival` at UTC ms `now`; the origin of the log if it grew.

        Raises link.errors; then nothing has been said to anybody and the arrival is still waiting.
        """
        found = self._opened(arrival, now)
        if isinstance(found, Unsigned):
            self._archive.dismiss(arrival, now).result()
            self._answer(found.site, found.claim, found.refusal, None)
            return None
        held = self._held(found)
        outcome = decide(found.bundle, found.claim, held, self._ours)
        return self._do(outcome, found, held, arrival, now)

    def _opened(self, arrival: Arrival, now: int) -> Signed | Unsigned:
        """Unpack within bounds, find the key by the claimed origin, verify the signature."""
        site = site_of(arrival.topic)
        try:
            bundle = unpack(arrival.body)
            claim = peek(bundle.checkpoint)
        except BadInput as error:
            return Unsigned(site=site, claim=_echo(arrival.body), refusal=Refusal(code=400, fault=error.faults[0]))
        key = self._registry.key(claim.origin) or self._first_use(site, claim, bundle, now)
        if key is None or key.site != site:
            what = fault("collector.unknown_key", claim.origin, site=site)
            return Unsigned(site=site, claim=claim, refusal=Refusal(code=403, fault=what))
        try:
            claim = open_checkpoint(bundle.checkpoint, VerifyKey.parse(key.vkey))
        except MrvError as error:
            return Unsigned(site=site, claim=claim, refusal=Refusal(code=403, fault=error.faults[0]))
        return Signed(site=site, bundle=bundle, claim=claim, key=key)

    def _first_use(self, site: str, claim: Checkpoint, bundle: Bundle, now: int) -> SiteKey | None:
        """Enrol the key in the genesis leaf, where an operator allowed that for this site (demonstrations only)."""
        if bundle.old != 0 or not self._registry.trusts_first_use(site):
            return None
        changes = first_use(self._identity, self._registry.standing(site), claim, bundle)
        if changes:
            self._registry.apply(site, changes, who="first use", at=now).result()
        return self._registry.key(claim.origin)

    def _held(self, found: Signed) -> Held:
        origin, size = found.claim.origin, found.claim.size
        head = self._archive.head(origin)
        shown = receipt_claim(found.bundle, origin, self._ours)
        return Held(
            frontier=head.frontier,
            note=head.note,
            forked=head.forked,
            claimed=self._archive.frontier(origin, size).root() if size <= head.size else None,
            overlap=self._overlap(found, head.size),
            receipt=self._archive.root(origin, shown.size) if shown else None,
            last_size=found.key.last_size,
        )

    def _overlap(self, found: Signed, held: int) -> tuple[bytes, ...]:
        """The leaves held that the bundle brings again: never more than it brings, whatever its header says."""
        old, count = found.bundle.old, len(found.bundle.leaves)
        return tuple(self._archive.leaves(found.claim.origin, old, min(held, old + count)))

    def _do(self, outcome: Outcome, found: Signed, held: Held, arrival: Arrival, now: int) -> str | None:
        origin = found.claim.origin
        match outcome:
            case Extend():
                note = cosign(_bare(found), self._identity.key, now // 1000)
                reach("receipt.signed")
                extension = Extension(
                    origin=origin, old=held.size, leaves=outcome.leaves, frontier=outcome.frontier, note=note
                )
                self._archive.extend(extension, now, arrival.id).result()
                reach("receipt.committed")
                self._receipt(found.site, note)
                _log.info("%s: receipt for %d leaves", origin, outcome.frontier.size)
                return origin
            case Again():
                self._archive.dismiss(arrival, now).result()
                self._receipt(found.site, outcome.note)
            case Refusal():
                exhibit = Exhibit(
                    origin=origin, size=found.claim.size, root=_base64(found.claim.root), code=outcome.fault.code
                )
                alarm = outcome.fault if outcome.alarm else None
                self._archive.dismiss(arrival, now, exhibit, alarm, outcome.fork).result()
                self._answer(found.site, found.claim, outcome, held.note)
        return None

    def _receipt(self, site: str, note: str) -> None:
        self._publish(topic(site, "down/receipt"), note.encode(), True)
        reach("receipt.published")

    def _answer(self, site: str, claim: Checkpoint | None, refusal: Refusal, held: str | None) -> None:
        _log.warning("%s: answered %d %s", site or "?", refusal.code, refusal.fault)
        named = claim if claim and claim.size < MAX_SIZE else None
        said = Answer(
            version=1,
            code=refusal.code,
            origin=named.origin if named else "",
            size=named.size if named else 0,
            root=_base64(named.root) if named else "",
            fault=refusal.fault.code,
            held=held if refusal.proof else None,
        )
        if site:
            self._publish(topic(site, "down/answer"), encode(said), False)


def _echo(body: bytes) -> Checkpoint | None:
    """What an unreadable bundle says of itself, so that the site can tell which one is meant."""
    try:
        return peek(read_header(body).checkpoint)
    except BadInput:
        return None


def _bare(found: Signed) -> str:
    """The checkpoint with the site's own line only: other lines were added on the way, we do not hand them on."""
    note = Note.parse(found.bundle.checkpoint)
    return Note(note.text, note.by(VerifyKey.parse(found.key.vkey))[:1]).with_line("")


def _base64(root: bytes) -> str:
    return base64.b64encode(root).decode()
