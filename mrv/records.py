"""What the office adds to the meters' own word: invoices, papers, inspections, sign-offs, as values.

A record is never edited. A later one may correct or withdraw it, with a reason, and both stay. Each is canonical JSON,
named by its digest (`digest`); a site's journal (mrv.journal) carries it with who entered it when. Nothing here decides
what a record does to a figure (mrv.crediting).

Instants keep the offset they were written with: that of the paper they were copied from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from mrv import leaf, strict
from mrv.number import in_bounds
from mrv.profile import ProfileId
from mrv.record_parts import (
    Digest,
    Instant,
    MeterId,
    Part,
    PointId,
    Record,
    Text,
    Word,
    amount,
    both_sides,
    correction,
    register,
    registers,
    span,
)
from mrv.strict import Complaint

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class Document(Record, frozen=True, kw_only=True, tag="document"):
    """A paper or photo by the SHA-256 of its file; whether the file itself is kept is the office's business."""

    title: Word
    sha256: Digest
    date: date
    type: Literal["certificate", "invoice", "letter", "photo", "diagram", "report", "permit", "other"] = "other"
    number: Word | None = None
    issuer: Word | None = None
    #: Bytes of the file.
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Invoice(Record, frozen=True, kw_only=True, tag="invoice"):
    """An amount that was paid for, over the invoice's own [start, end): never pro-rated to other instants."""

    number: Word
    issuer: Word
    #: The points whose sum the invoice should equal.
    points: Annotated[tuple[PointId, ...], msgspec.Meta(min_length=1)]
    #: Name of the cumulative register it is about (mrv.measurand).
    register: str = "active_energy_import"
    start: Instant
    end: Instant
    value: Decimal
    unit: str
    document: Digest

    def check(self) -> Iterator[Complaint]:
        yield from (*correction(self), *span(self.start, self.end), *amount(self.value, self.unit))
        yield from register(("register",), self.register)


class Manual(Record, frozen=True, kw_only=True, tag="manual"):
    """A monitored value that no meter of ours reads: cooling energy, m3, hours, fuel. `item` is empty per project."""

    project: Word
    symbol: Word
    item: Word | None = None
    start: Instant
    end: Instant
    value: Decimal
    unit: str
    #: Instrument or book it was read from, with its certificate where it has one.
    source: Text
    document: Digest

    def check(self) -> Iterator[Complaint]:
        yield from (*correction(self), *span(self.start, self.end), *amount(self.value, self.unit))


class CheckedLog(Part, frozen=True, kw_only=True):
    """A log as it stood when somebody checked it: leaves held and their root (hex)."""

    origin: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    root: Digest


class IntegrityCheck(Record, frozen=True, kw_only=True, tag="integrity_check"):
    """The monthly check of the recorded data, signed by the named person `who` on `done`.

    `logs` is what was hashed again at that time; `sound` is that person's judgement, `findings` what they found.
    """

    month: str
    done: date
    sound: bool
    findings: Text | None = None
    logs: tuple[CheckedLog, ...] = ()
    document: Digest | None = None

    def check(self) -> Iterator[Complaint]:
        yield from correction(self)
        if not _MONTH.fullmatch(self.month):
            yield (("month",), "records.month", {"found": self.month})
        elif f"{self.done:%Y-%m}" < self.month:
            yield (("done",), "records.checked_before", {"month": self.month, "done": self.done})
        if not self.sound and self.findings is None:
            yield (("findings",), "records.findings_missing", {})


class Installed(Part, frozen=True, kw_only=True):
    """One meter as somebody found it: registers by measurand name as displayed, transformers, seals, certificates."""

    meter: MeterId
    serial: Word
    make: Word | None = None
    model: Word | None = None
    at: Instant
    registers: dict[str, Decimal]
    #: Current transformer ratio as on its nameplate, "400/5".
    ratio: Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,5}/[1-9][0-9]{0,3}$")] | None = None
    cts: tuple[Word, ...] = ()
    seals: tuple[Word, ...] = ()
    certificate: Word | None = None
    photo: Digest | None = None

    def check(self) -> Iterator[Complaint]:
        yield from registers(self.registers)


class Deviation(Part, frozen=True, kw_only=True):
    """An error found by a laboratory in per cent of the reading, for one register or, without one, for all."""

    error: Decimal
    unit: Literal["%"] = "%"
    register: str | None = None
    #: The test point, as the certificate says it: "100 % Ib, cos phi 1".
    load: Word | None = None

    def check(self) -> Iterator[Complaint]:
        if not in_bounds(self.error) or abs(self.error) >= 100:
            yield (("error",), "records.deviation", {"found": self.error})
        if self.register is not None:
            yield from register(("register",), self.register)


class Exchange(Record, frozen=True, kw_only=True, tag="exchange"):
    """The sign-off of an exchange: until it is there, what the new meter counts is held.

    `as_found` is the test of the removed meter; it may come later as a `certificate`.
    """

    point: PointId
    removed: Installed
    installed: Installed
    reason: Text
    as_found: tuple[Deviation, ...] = ()
    document: Digest

    def check(self) -> Iterator[Complaint]:
        yield from correction(self)
        if self.installed.at < self.removed.at:
            yield (("installed", "at"), "records.exchange_backwards", {"removed": self.removed.at})
        if self.removed.serial == self.installed.serial:
            yield (("installed", "serial"), "records.exchange_same_serial", {"serial": self.removed.serial})
        yield from both_sides(self.removed.registers, self.installed.registers)


class Stood(Part, frozen=True, kw_only=True):
    """Where the registers of a meter stood at an instant, in native counts, as the log has them."""

    at: Instant
    registers: Annotated[dict[str, Decimal], msgspec.Meta(min_length=1)]

    def check(self) -> Iterator[Complaint]:
        yield from registers(self.registers)


class Hold(Record, frozen=True, kw_only=True, tag="hold"):
    """What a named person decides of held registers: what lies between two readings is energy, or nobody knows.

    `before` and `after` are the two readings of the log on both sides of what was examined. `energy`: the difference
    is real and counts; `lost`: it is no energy, and what flowed meanwhile is lost. Either way the meter counts again
    from `after` on.
    """

    point: PointId
    meter: MeterId
    decision: Literal["energy", "lost"]
    before: Stood
    after: Stood
    reason: Text
    document: Digest

    def check(self) -> Iterator[Complaint]:
        yield from (*correction(self), *span(self.before.at, self.after.at, ("after", "at")))
        yield from both_sides(self.before.registers, self.after.registers)
        for name in sorted(self.before.registers.keys() & self.after.registers.keys()):
            if self.decision == "energy" and self.after.registers[name] < self.before.registers[name]:
                yield (("after", "registers", name), "records.hold_backwards", {"register": name})


class DecoderFix(Record, frozen=True, kw_only=True, tag="decoder_fix"):
    """A profile decoded wrongly: what was read with it is decoded again, from the raw words, for crediting.

    `wrong` and `right` are the digests of two texts of one profile; the right one was approved for the site. What was
    read from `since` on is meant; without it all that was read with the wrong text.
    """

    profile: ProfileId
    wrong: Digest
    right: Digest
    since: Instant | None = None
    reason: Text
    document: Digest

    def check(self) -> Iterator[Complaint]:
        yield from correction(self)
        if self.wrong == self.right:
            yield (("right",), "records.fix_same", {"digest": self.wrong[:16]})


class SpotReading(Record, frozen=True, kw_only=True, tag="spot_reading"):
    """What a display showed a person at an instant, beside a photo: compared with the words read then.

    It also documents where a register stood at a bound (year end, expiry) that a gap runs across.
    """

    point: PointId
    meter: MeterId
    at: Instant
    registers: dict[str, Decimal]
    photo: Digest | None = None

    def check(self) -> Iterator[Complaint]:
        yield from (*correction(self), *registers(self.registers))


class Certificate(Record, frozen=True, kw_only=True, tag="certificate"):
    """A calibration certificate that came after the plan was approved, also of a meter that was taken out."""

    point: PointId
    device: Literal["meter", "ct", "vt"] = "meter"
    serial: Word
    number: Word
    laboratory: Word
    accreditation: Word | None = None
    done: date
    #: The next calibration is due on this day.
    due: date | None = None
    as_found: tuple[Deviation, ...] = ()
    as_left: tuple[Deviation, ...] = ()
    document: Digest

    def check(self) -> Iterator[Complaint]:
        yield from correction(self)
        if self.due is not None and self.due <= self.done:
            yield (("due",), "records.due_before_done", {"done": self.done})


class Implementation(Record, frozen=True, kw_only=True, tag="implementation"):
    """The project as built: equipment put in, start of operation, downtime, a change and who approved it."""

    project: Word
    item: Word | None = None
    what: Literal["installed", "operation_start", "downtime", "change"]
    start: Instant
    end: Instant | None = None
    text: Text
    approval: Word | None = None
    document: Digest | None = None

    def check(self) -> Iterator[Complaint]:
        yield from correction(self)
        if self.end is not None:
            yield from span(self.start, self.end)


class Explanation(Record, frozen=True, kw_only=True, tag="explanation"):
    """Why something that stands out is as it is: `about` names an event, a cross-check or a figure of a report."""

    about: Word
    text: Text
    document: Digest | None = None


class Withdrawal(Record, frozen=True, kw_only=True, tag="withdrawal"):
    """`withdraws` should never have been recorded, and nothing takes its place."""

    withdraws: Digest
    why: Text


AnyRecord = (
    Document
    | Invoice
    | Manual
    | IntegrityCheck
    | Exchange
    | Hold
    | DecoderFix
    | SpotReading
    | Certificate
    | Implementation
    | Explanation
    | Withdrawal
)
KINDS: dict[str, type[Record]] = {str(cls.__struct_config__.tag): cls for cls in AnyRecord.__args__}


def digest(record: AnyRecord) -> str:
    """What names a record: SHA-256 of its canonical JSON."""
    return leaf.digest(leaf.canonical(record))


def load(text: str, source: str) -> strict.Document[tuple[AnyRecord, ...]]:
    """A YAML list of records a person wrote. Raises BadInput with every fault found."""
    return strict.decode(text, tuple[AnyRecord, ...], source)


def kind(record: AnyRecord) -> str:
    """The tag of a record."""
    return str(type(record).__struct_config__.tag)


def papers_of(record: AnyRecord) -> tuple[str, ...]:
    """The SHA-256 of every paper and photo that a record names."""
    return tuple(_papers(msgspec.to_builtins(record)))


def _papers(plain: object) -> Iterator[str]:
    for name, below in plain.items() if isinstance(plain, dict) else ():
        if name in ("document", "photo", "sha256"):
            yield below
        yield from _papers(below)
