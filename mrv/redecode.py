"""Decoding again: a log counted once more with the right text of a profile in the place of one that was wrong.

What was sealed stays as it is. A record of the office (mrv.records.DecoderFix) says which text was wrong and which is
right; the right text stands in the site's journal, where somebody approved it. Every reading keeps its raw words, so
what its counters should have been is found by counting the log from its start with the right text: the same chains,
the same periods, other registers. Pure, and the same at the office and at the auditor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from mrv import events, known, leaf, profile_fit
from mrv.account import Instead
from mrv.book import Book, Judgement
from mrv.errors import Fault, fault
from mrv.journal import Entry, Line
from mrv.leaf import MeterEvent, Summary, Usage
from mrv.period import in_ms
from mrv.profile import Profile
from mrv.reading import ClockState
from mrv.records import DecoderFix
from mrv.settle import Settled
from mrv.strict import complaints

#: `what` of the lines of a journal that carry a profile somebody approved for the site.
APPROVED = "profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A standing record with the right text of the profile. Readings of slots from `since` (UTC ms) on are meant."""

    record: DecoderFix
    digest: str
    profile: Profile

    @property
    def since(self) -> int:
        return 0 if self.record.since is None else in_ms(self.record.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What one sealed usage would have been by `fix`, and how its counters' steps would have been taken.

    None: it cannot be told, because the right text needs settings of the meter that the binding does not give.
    """

    fix: Fix
    usage: Usage | None
    decisions: tuple[MeterEvent, ...] = ()


def fixes(standing: Sequence[Entry], changes: Sequence[Line]) -> tuple[tuple[Fix, ...], tuple[Fault, ...]]:
    """What the records of a site that hold put right, and what is wrong with those that cannot be followed.

    `changes` are the lines of its journal that are no records: only a text that one of them carries is decoded with.
    """
    told = [(one.digest, one.record) for one in standing if isinstance(one.record, DecoderFix)]
    texts = dict(_texts(changes)) if told else {}
    found: list[Fix] = []
    faults: list[Fault] = []
    for digest, record in told:
        wrong = list(_refused(digest, record, [other for name, other in told if name != digest], texts))
        faults += wrong
        if not wrong:
            found.append(Fix(record=record, digest=digest, profile=texts[record.right]))
    return tuple(found), tuple(faults)


def _texts(changes: Iterable[Line]) -> Iterator[tuple[str, Profile]]:
    """The profiles that somebody approved, by the digest of their text."""
    for line in changes:
        if line.what != APPROVED:
            continue
        body = line.detail.get("body", "").encode()
        with suppress(msgspec.MsgspecError, ValueError, ArithmeticError):
            profile = msgspec.json.decode(body, type=Profile)
            if leaf.canonical(profile) == body and not any(True for _ in complaints(profile)):
                yield leaf.digest(body), profile


def _refused(
    digest: str, record: DecoderFix, others: Iterable[DecoderFix], texts: Mapping[str, Profile]
) -> Iterator[Fault]:
    where, said = f"decoder_fix {digest[:16]}", {"profile": record.profile}
    right = texts.get(record.right)
    if right is None or not known.trusted(record.profile, record.right, right, frozenset(texts)):
        why = known.WITHDRAWN.get(record.right, "")
        code = "records.fix_withdrawn" if why else "records.fix_not_approved"
        yield fault(code, where, **said, digest=record.right, why=why)
    if not _heard_of(record, texts):
        yield fault("records.fix_unknown", where, **said, digest=record.wrong)
    if any(record.wrong in (other.wrong, other.right) for other in others):
        yield fault("records.fix_contradicts", where, **said, digest=record.wrong)


def _heard_of(record: DecoderFix, texts: Mapping[str, Profile]) -> bool:
    """Whether what was wrong is a text that anything can have been admitted under: a slip of the pen is none."""
    if record.wrong in texts:
        return texts[record.wrong].id == record.profile
    return known.profile(record.profile, record.wrong) or record.wrong in known.WITHDRAWN


# -- counting again ------------------------------------------------------------------------------------------------


def again(leaves: Iterable[bytes], found: Sequence[Fix], until: int) -> dict[str, Again]:
    """What every usage of a log that was read with a wrong text would have been, by the digest of its leaf.

    `leaves` are those of one log from the first on; they are read until a period begins at `until` (UTC ms) or later.
    """
    book = Book(verify=False, instead={fix.record.wrong: Instead(fix.profile, fix.since) for fix in found})
    counted: dict[str, Again] = {}
    for data in leaves:
        settled = _settled(book, data)
        judgement = book.add(data)
        if judgement is None:
            continue
        if judgement.summary.start >= until:
            break
        counted.update(_counted(judgement, settled, found))
    return counted


def _settled(book: Book, data: bytes) -> Settled | None:
    """What the period that the leaf `data` closes comes to; None for another leaf, or a period that was not due."""
    if b'"k":"summary"' not in data:
        return None
    fact = leaf.decode(data)
    if not isinstance(fact, Summary) or book.plan is None or book.due() != (fact.start, fact.end):
        return None
    return book.close(fact.start, fact.end)


def _counted(judgement: Judgement, settled: Settled | None, found: Sequence[Fix]) -> Iterator[tuple[str, Again]]:
    """(digest of the sealed usage, what it would have been) for the meters of one period that a fix is about."""
    bound = {
        (terms.config.number, one.meter): (one, terms.config.profiles.get(one.profile, ""))
        for terms in judgement.terms
        for one in (terms.binding.meters if terms.binding else ())
    }
    by = {(fix.record.profile, fix.record.wrong): fix for fix in found}
    usages = {(one.config, one.meter): one for one in (settled.usages if settled else ())}
    when = events.When(boot=0, boottime=0, ts=judgement.summary.end, clock=ClockState.RELATIVE)
    for sealed in judgement.usages:
        key = sealed.config, sealed.meter
        meter, digest = bound.get(key, (None, ""))
        fix = by.get((meter.profile, digest)) if meter else None
        if meter is None or fix is None or sealed.end < fix.since:
            continue
        fits = not any(True for _ in profile_fit.misfits(fix.profile, meter.settings))
        decided = [one for one in (settled.decisions if settled else ()) if (one.config, one.meter) == key]
        yield (
            leaf.digest(leaf.encode(sealed)),
            Again(
                fix=fix,
                usage=usages.get(key) if fits else None,
                decisions=tuple(events.decision(one, when) for one in decided),
            ),
        )


def concerns(found: Iterable[Fix], digests: Iterable[str]) -> bool:
    """Whether a log whose configurations name the profile texts `digests` has to be counted again."""
    return not {fix.record.wrong for fix in found}.isdisjoint(digests)
