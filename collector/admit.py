"""The verdict on each summary, after the receipt and apart from it.

Every log has a running account (mrv.book) that is fed the leaves received and settles each period again from raw
words; `mrv.audit.admit` judges, the archive keeps the verdict and refuses a second admitted summary of a period. What
leaves say can make a summary quarantined, never stop the collector. What is approved later re-judges what waits for it;
an account that did not believe readings, because their profile was not approved, is counted anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from collector.archive import Archive
from collector.registry import Registry, SiteKey
from collector.verdicts import Settlement, decode_faults
from link.failpoint import reach
from mrv import known, leaf
from mrv.audit import CONDITIONS, Approvals, Verdict, admit, foreign
from mrv.book import Book, Judgement
from mrv.errors import BadInput, Fault, MrvError, fault
from mrv.leaf import Genesis, Summary
from mrv.log.note import VerifyKey
from mrv.restore import restored

_log = logging.getLogger(__name__)
#: Verdicts of a log that fell behind which are stored together; a bundle brings one or two.
AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """The first `limit` leaves of a log in the archive, as mrv.restore reads them."""

    archive: Archive
    origin: str
    limit: int

    def newest_first(self) -> Iterator[tuple[int, bytes]]:
        return self.archive.newest_first(self.origin, self.limit)

    def landmarks(self, before: int) -> Iterator[tuple[int, bytes]]:
        return self.archive.indexed(self.origin, 0, before, Book.LANDMARKS)

    def since(self, index: int) -> Iterator[bytes]:
        return self.archive.leaves(self.origin, index, self.limit)


class Running:
    """The account of one log up to `position`. Leaves that break the accounting break this log's, nobody else's.

    `profiles` are the digests of the site's own profiles that `book` decodes with.
    """

    def __init__(self, origin: str, book: Book, position: int, profiles: frozenset[str] = frozenset()) -> None:
        self.origin = origin
        self.position = position
        self.profiles = profiles
        #: Why this log cannot be counted any more.
        self.broken: Fault | None = None
        self._book = book

    @property
    def genesis(self) -> Genesis | None:
        """What the log says of itself."""
        return self._book.genesis

    def add(self, index: int, data: bytes) -> Judgement | None:
        """Fold the leaf at `index`; the judgement if it is a summary."""
        self.position = index + 1
        if self.broken is None:
            try:
                return self._book.add(data)
            except Exception as error:  # leaves come from outside, and the next log must go on
                _log.exception("the account of %s broke at leaf %d", self.origin, index)
                self.broken = fault("collector.account_broken", self.origin, index=index, problem=repr(error))
        return self._uncounted(data)

    def _uncounted(self, data: bytes) -> Judgement | None:
        try:
            summary = leaf.decode(data)
        except BadInput:
            return None
        if not isinstance(summary, Summary) or self.broken is None:
            return None
        digest, findings = leaf.digest(data), (self.broken,)
        return Judgement(summary=summary, digest=digest, config=None, plan=None, usages=(), findings=findings)


class Admission:
    """Keeps the accounts of all logs and stores verdicts. One thread only."""

    def __init__(self, archive: Archive, registry: Registry) -> None:
        self._archive = archive
        self._registry = registry
        self._running: dict[str, Running] = {}

    def catch_up(self, origin: str, now: int) -> tuple[Verdict, ...]:
        """Judge every summary received since the last call, at UTC ms `now`.

        Raises link.errors; then the account starts again from the last stored verdict.
        """
        key = self._registry.key(origin)
        if key is None:
            return ()
        approvals = self._registry.approvals(key.site)
        running = self._running.pop(origin, None)
        if running is None or running.profiles != approvals.profiles:
            running = self._rebuilt(origin, approvals.profiles)
        found = tuple(self._judge(key, approvals, running, now))
        self._running[origin] = running
        return found

    def judge_again(self, site: str, now: int) -> tuple[Verdict, ...]:
        """Judge the summaries of `site` that waited for what is approved now, counting their logs from the start."""
        found: list[Verdict] = []
        approvals = self._registry.approvals(site)
        for key in self._registry.keys(site):
            rows = self._archive.waiting_verdicts(key.origin)
            waiting = _waiting({row.idx: decode_faults(row.reasons) for row in rows}, approvals)
            if waiting:
                afresh = Running(key.origin, Book(approved=approvals.profiles), 0, approvals.profiles)
                found += self._judge(key, approvals, afresh, now, stop=max(waiting) + 1, only=waiting)
        return tuple(found)

    def _rebuilt(self, origin: str, profiles: frozenset[str]) -> Running:
        """The account up to the newest summary that was right; what came after it is counted again."""
        waiting = self._archive.waiting_verdicts(origin)
        doubted = frozenset(row.idx for row in waiting if not _sound(decode_faults(row.reasons)))
        judged = next((index + 1 for index in self._archive.judged(origin) if index not in doubted), 0)
        try:
            view = LogView(archive=self._archive, origin=origin, limit=judged)
            book = restored(view, doubted=doubted, approved=profiles)
        except MrvError:
            raise
        except Exception as error:  # as in Running.add
            _log.exception("the account of %s cannot be rebuilt", origin)
            running = Running(origin, Book(), judged, profiles)
            running.broken = fault("collector.account_broken", origin, index=judged, problem=repr(error))
            return running
        return Running(origin, book, judged, profiles)

    def _judge(
        self,
        key: SiteKey,
        approvals: Approvals,
        running: Running,
        now: int,
        stop: int | None = None,
        only: set[int] | None = None,
    ) -> Iterator[Verdict]:
        """Feed `running` the leaves up to `stop`; settle the summaries (those at indices `only`)."""
        own = VerifyKey.parse(key.vkey)
        found: list[Settlement] = []
        for index, data in self._archive.indexed(key.origin, running.position, stop):
            judgement = running.add(index, data)
            if judgement is not None and (only is None or index in only):
                reasons = (*foreign(running.genesis, own), *admit(judgement, approvals).reasons)
                found.append(Settlement(idx=index, judgement=judgement, verdict=Verdict(reasons=reasons)))
            if len(found) == AT_ONCE:
                yield from self._settled(key, found, now)
                found = []
        yield from self._settled(key, found, now)
        if running.broken is not None and only is None:
            self._archive.alarm(key.origin, running.broken, now).result()

    def _settled(self, key: SiteKey, found: Sequence[Settlement], now: int) -> Iterator[Verdict]:
        """Store verdicts, all or none of them."""
        if found:
            yield from self._archive.settle(key.site, key.origin, found, now).result()
            reach("verdict.settled")


def _waiting(reasons: Mapping[int, Sequence[Fault]], approvals: Approvals) -> set[int]:
    """Which quarantined summaries are judged again, of all with their reasons by index: those that waited for what is
    granted now, and later ones found wrong by an account that may not have believed what came before."""
    granted = {idx for idx, found in reasons.items() if any(_granted(one, approvals) for one in found)}
    first = min(granted, default=None)
    return granted | {idx for idx, found in reasons.items() if first is not None and idx > first and not _sound(found)}


def _sound(reasons: Sequence[Fault]) -> bool:
    """Whether a summary was what its readings give, and only conditions kept it from being admitted."""
    return all(reason.code in CONDITIONS or reason.code == "collector.period_taken" for reason in reasons)


def _granted(reason: Fault, approvals: Approvals) -> bool:
    """Whether a summary waited for an approval that has come, or for a profile or methodology of a newer version."""
    digest = reason.params.get("digest", "")
    match reason.code:
        case "audit.plan_not_approved":
            return digest in approvals.plans
        case "audit.binding_not_approved":
            return digest in approvals.bindings
        case "audit.profile_unknown":
            return known.profile(reason.params.get("profile", ""), digest) or digest in approvals.profiles
        case "audit.methodology_unknown":
            named = reason.params.get("methodology", "")
            return known.methodology(named, digest) or digest in approvals.methodologies
    return False
