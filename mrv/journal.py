"""The journal of one site at the office: every record and every change of the registry, in one hash chain.

Lines are canonical JSON, chained by SHA-256 and numbered; whoever knows the head of an earlier day sees whether what
stood then still stands. `read` repeats a journal and never trusts a line because it is there; corrections and
withdrawals are resolved in `standing`. It reads no files and knows no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mrv import leaf, strict
from mrv.errors import BadInput, Fault, fault
from mrv.record_parts import Part
from mrv.records import KINDS, AnyRecord, Withdrawal, digest, kind, papers_of

#: Longest line, in bytes.
MAX_LINE = 64 * 1024
#: `what` of the lines that carry a record.
RECORD = "record"
#: `what` of the lines that say who compared a methodology with its approved text.
COMPARED = "compared"


class Line(Part, frozen=True, kw_only=True):
    """One line of a site's journal: who (`by`, an account) entered what, when (UTC ms), chained to the line before.

    `what` is "record" for an office record, else a change of the registry with its `detail`. `previous` is the
    SHA-256 of the line before, empty in the first. A record is kept as it came: kinds of a later version stay.
    """

    number: int = msgspec.field(name="n")
    site: str
    at: int
    by: str
    what: str
    previous: str
    detail: dict[str, str] = msgspec.field(default_factory=dict)
    record: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record in a journal: its digest, and the line that carries it."""

    record: AnyRecord
    digest: str
    number: int
    at: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A journal read again: its records in order, its registry changes, its head, and what is wrong with it."""

    entries: tuple[Entry, ...] = ()
    changes: tuple[Line, ...] = ()
    #: Digest of the last line; empty while there is none.
    head: str = ""
    size: int = 0
    findings: tuple[Fault, ...] = ()

    def approved(self, kind: str) -> dict[str, int]:
        """When (UTC ms) each plan or binding was approved first, by digest, in the order of approval."""
        found: dict[str, int] = {}
        for one in self.changes:
            if one.what == "approve" and one.detail.get("kind") == kind:
                found.setdefault(one.detail.get("digest", ""), one.at)
        return found

    @property
    def compared(self) -> dict[str, dict[str, str]]:
        """Who compared which methodology (by digest) with which approved text; the first comparison counts."""
        found: dict[str, dict[str, str]] = {}
        for one in self.changes:
            if one.what == COMPARED:
                found.setdefault(one.detail.get("digest", ""), one.detail | {"by": one.by})
        return found

    @property
    def papers(self) -> set[str]:
        """The SHA-256 of every paper that a record or a comparison names."""
        named = {name for one in self.entries for name in papers_of(one.record)}
        return named | {said["pdf"] for said in self.compared.values() if "pdf" in said}

    @property
    def standing(self) -> tuple[Entry, ...]:
        """The records that hold."""
        return standing(self.entries)


def line(
    previous: Line | None, *, site: str, at: int, by: str, what: str, detail: dict[str, str], record: AnyRecord | None
) -> Line:
    """The line that follows `previous`."""
    return Line(
        number=previous.number + 1 if previous else 0,
        site=site,
        at=at,
        by=by,
        what=what,
        previous=leaf.digest(leaf.canonical(previous)) if previous else "",
        detail=detail,
        record=msgspec.to_builtins(record) if record is not None else None,
    )


def read(lines: Iterable[bytes], site: str) -> Journal:
    """The journal that `lines` (canonical JSON each) spell. Never raises on what they say: it becomes a finding."""
    entries, changes, findings = [], [], list[Fault]()
    head, size, latest = "", 0, 0
    for number, data in enumerate(lines):
        try:
            found = decode_line(data)
        except BadInput as error:
            findings += [Fault(f.code, f"line {number}", f.params) for f in error.faults]
            head, size = leaf.digest(data), number + 1
            continue
        findings += _unchained(found, number, site, head, latest)
        head, size, latest = leaf.digest(data), number + 1, found.at
        if found.what != RECORD:
            changes.append(found)
            continue
        try:
            entries.append(entry(found))
        except BadInput as error:
            findings += error.faults
    findings += _contradictions(entries)
    return Journal(entries=tuple(entries), changes=tuple(changes), head=head, size=size, findings=tuple(findings))


def decode_line(data: bytes) -> Line:
    """Raises BadInput for bytes that are no canonical line."""
    try:
        found = msgspec.json.decode(data, type=Line) if len(data) <= MAX_LINE else None
        if found is None or leaf.canonical(found) != data:
            raise BadInput(fault("records.line_malformed", problem="not canonical JSON, or too long"))
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError) as error:
        raise BadInput(fault("records.line_malformed", problem=error)) from error
    return found


def entry(found: Line) -> Entry:
    """The record that a line carries. Raises BadInput (unknown kind, malformed, against the rules of its kind)."""
    where = f"line {found.number}"
    named = str((found.record or {}).get("kind", ""))
    if named not in KINDS:
        raise BadInput(fault("records.kind_unknown", where, kind=named, known=", ".join(KINDS)))
    try:
        record: AnyRecord = msgspec.convert(found.record, AnyRecord)
    except (msgspec.ValidationError, ValueError, ArithmeticError) as error:
        raise BadInput(fault("records.record_malformed", where, kind=named, problem=error)) from error
    wrong = [fault(code, where, **params) for _, code, params in strict.complaints(record)]
    if wrong:
        raise BadInput(*wrong)
    return Entry(record=record, digest=digest(record), number=found.number, at=found.at, by=found.by)


def standing(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The records that nothing later corrected or withdrew, in order; withdrawals themselves are not among them."""
    held = tuple(entries)
    gone = {name for one in held for name in _replaced(one.record)}
    return tuple(one for one in held if one.digest not in gone and not isinstance(one.record, Withdrawal))


def misfits(record: AnyRecord, entries: Iterable[Entry]) -> tuple[Fault, ...]:
    """What keeps `record` from being added behind `entries`: said already, or correcting what cannot be corrected."""
    state = _State()
    for one in entries:
        state.add(one)
    return tuple(state.misfits(record))


@dataclass(slots=True)
class _State:
    """What was said, by digest, and what of it a later record replaced or withdrew."""

    held: dict[str, AnyRecord] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def add(self, one: Entry) -> None:
        self.held[one.digest] = one.record
        self.gone |= _replaced(one.record)

    def misfits(self, record: AnyRecord) -> Iterator[Fault]:
        own, mine = digest(record), kind(record)
        if own in self.held:
            yield fault("records.said_already", mine, digest=own[:16])
        for name in sorted(_replaced(record)):
            if name not in self.held:
                yield fault("records.corrects_unknown", mine, digest=name[:16])
            elif name in self.gone:
                yield fault("records.corrected_already", mine, digest=name[:16])
            elif name == record.corrects and (other := kind(self.held[name])) != mine:
                yield fault("records.corrects_other_kind", mine, digest=name[:16], found=other)


def _contradictions(entries: Iterable[Entry]) -> Iterator[Fault]:
    state = _State()
    for one in entries:
        yield from (Fault(f.code, f"line {one.number}", f.params) for f in state.misfits(one.record))
        state.add(one)


def _unchained(found: Line, number: int, site: str, head: str, latest: int) -> Iterator[Fault]:
    where = f"line {number}"
    if (found.number, found.previous) != (number, head):
        yield fault("records.chain_broken", where, number=found.number, previous=found.previous[:16], held=head[:16])
    if found.site != site:
        yield fault("records.other_site", where, found=found.site, expected=site)
    if found.at < latest:
        yield fault("records.line_backdated", where, at=found.at, before=latest)


def _replaced(record: AnyRecord) -> set[str]:
    """The digests of the records that this one puts out of force."""
    found = {record.corrects} if record.corrects is not None else set()
    return found | {record.withdraws} if isinstance(record, Withdrawal) else found
