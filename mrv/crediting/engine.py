"""From evidence to a Crediting: book, correct, evaluate once per segment, floor once per vintage.

Pure and in one order: what is decoded again, exchanges, straddles, what is held, what is lost, late calibration, caps,
cross-checks. Nothing is interpolated, nothing that is missing becomes zero, and no summary of a site is ever added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from math import floor

from mrv import period
from mrv.crediting import attribution, calibration, checks, corrections, decided, late, overview, redecoded, rows
from mrv.crediting.calibration import Link
from mrv.crediting.decided import Rulings
from mrv.crediting.pieces import Piece, metered, pieces
from mrv.crediting.result import CalibrationRow, Completeness, Crediting, CrossCheck, Event, Vintage
from mrv.crediting.sealed import Evidence, Sealed
from mrv.crediting.segments import Source, frames
from mrv.crediting.work import HOUR, ZERO, Desk, Ledger, Undefined, dimensionless
from mrv.errors import BadInput, Fault, fault, raise_all
from mrv.methodology import fit, units
from mrv.number import total
from mrv.plan.lacking import lacking
from mrv.plan.versions import timeline

TONNE = 1000
KW = units.unit("kW").factor
#: A spreadsheet's doubles may fall on the other side of a whole tonne within this (t).
NEAR = Fraction(1, 1_000_000)


def credit(evidence: Evidence) -> Crediting:
    """What `evidence` is worth.

    Raises BadInput where nothing can be said at all: contradicting plan versions, a project or methodology nobody
    knows, a plan that does not fit its methodology.
    """
    return _Case(evidence).result()


class _Case:
    """One crediting while it is made."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.versions = timeline(evidence.plans)
        self.frames = frames(evidence, self.versions)
        if not self.frames:
            raise BadInput(fault("credit.nothing_in_window", evidence.project))
        for frame in self.frames:
            misfits = fit.misfits(frame.project, frame.methodology)
            raise_all(fault(code, f"project {evidence.project}", **params) for _, code, params in misfits)
        self.desks = tuple(Desk(frame) for frame in self.frames)
        self.ledger = Ledger(self.desks)
        self.findings: list[Fault] = []
        self.checks: list[CrossCheck] = []
        self._found: dict[str, tuple[Piece, ...]] = {}
        self._links: dict[str, tuple[Link, ...]] = {}
        self._ruled: dict[str, Rulings] = {}

    @cached_property
    def points(self) -> dict[str, tuple[Sealed, ...]]:
        """The usages of every point, in order of time."""
        found: dict[str, list[Sealed]] = {}
        for one in self.evidence.sealed:
            found.setdefault(one.bound.point, []).append(one)
        return {
            point: tuple(sorted(mine, key=lambda one: (one.usage.start, one.usage.opened or one.usage.end, one.digest)))
            for point, mine in found.items()
        }

    def sealed(self, point: str) -> tuple[Sealed, ...]:
        return self.points.get(point, ())

    def found(self, source: Source) -> tuple[Piece, ...]:
        if source.key not in self._found:
            sealed, ruled = self.sealed(source.point), self.ruled(source.point)
            self._found[source.key] = pieces(source, self.evidence.project, sealed, self.evidence.papers, ruled)
        return self._found[source.key]

    def ruled(self, point: str) -> Rulings:
        """What people decided about held registers of `point`."""
        if point not in self._ruled:
            known = self.frames[-1].point(point)
            rated = known.rated.power.coherent / KW if known and known.rated else None
            self._ruled[point] = decided.rulings(point, self.sealed(point), self.evidence.papers, rated)
            self.findings += self._ruled[point].findings
        return self._ruled[point]

    def metered(self, point: str, register: str) -> tuple[Piece, ...]:
        name = f"meter {point}:{register}"
        if name not in self._found:
            self._found[name] = metered(register, self.sealed(point), self.evidence.papers, self.ruled(point))
        return self._found[name]

    def links(self, point: str) -> tuple[Link, ...]:
        """The metering chain of `point`, as the newest version of the plan in the window describes it."""
        if point not in self._links:
            frame = self.frames[-1]
            known = frame.point(point)
            zone, papers = frame.version.plan.timezone, self.evidence.papers
            self._links[point] = calibration.chain(known, zone, papers, period.LAST) if known else ()
        return self._links[point]

    # -- the order of things --------------------------------------------------------------------------------------

    def result(self) -> Crediting:
        crossings = self._book()
        self._each(redecoded.correct)
        self._each(corrections.added)
        attribution.settle(self.ledger, crossings)
        self._each(corrections.held)
        for desk in self.desks:
            for source in desk.frame.sources:
                self._guarded(desk, partial(self._lost, desk, source))
        for desk in self.desks:
            self._guarded(desk, partial(late.correct, self.ledger, desk, lambda source: self.links(source.point)))
        self._each(corrections.cap)
        for desk in self.desks:
            self._guarded(desk, partial(self._invoices, desk))
            if desk.whole:
                self.checks += checks.compared(desk, self.metered, self.links, self.evidence.papers)
                self.checks += checks.full_load(desk)
        return self._crediting()

    def _each(self, correct: Callable[[Ledger, Desk, Source], None]) -> None:
        for desk in self.desks:
            for source in desk.frame.sources:
                self._guarded(desk, partial(correct, self.ledger, desk, source))

    def _guarded(self, desk: Desk, step: Callable[[], None]) -> None:
        """A step in a segment where everything has a value; an equation that divides by zero ends the segment."""
        if not desk.whole:
            return
        try:
            step()
        except Undefined as error:
            desk.missing.setdefault((str(error), ""), []).append(str(error))

    def _invoices(self, desk: Desk) -> None:
        self.checks += checks.invoices(self.ledger, desk, self.evidence.papers, self.metered, self.links)

    def _lost(self, desk: Desk, source: Source) -> None:
        found = self.found(source)
        # At an edge of the report the next one counts what comes; within it, or behind an ended chain, nothing does.
        ended = bool(found) and found[-1].ended
        closed = ended or source.paper or desk.frame.end != self.evidence.end
        corrections.lost(self.ledger, desk, source, found, closed=closed)

    def _book(self) -> list[attribution.Crossing]:
        crossings: list[attribution.Crossing] = []
        for source in {s.key: s for frame in self.frames for s in frame.sources}.values():
            found = self.found(source)
            if dimensionless(source):
                for desk in self.desks:
                    attribution.opinion(desk, source, found)
            else:
                sealed = self.sealed(source.point)
                crossings += attribution.book(self.desks, source, found, sealed, self.evidence)
        for desk in self.desks:
            for source in desk.frame.sources:
                self._open(desk, source)
        for desk in self.desks:
            self._guarded(desk, partial(self._opinions, desk))
        return crossings

    def _open(self, desk: Desk, source: Source) -> None:
        """The raw value of `source`, or why there is none."""
        start, end = desk.frame.window(source.item)
        mine = [piece for piece in self.found(source) if piece.start < end and piece.end > start]
        bookings = desk.bookings.get(source.key, [])
        if dimensionless(source) and bookings:
            desk.raw[source.key] = bookings[0].amount
        desk.raw.setdefault(source.key, total(desk.counted.get(source.key, ())))
        desk.value[source.key] = desk.raw[source.key]
        if start < end and not mine:
            desk.miss(source, source.key)
        for missing, finding in redecoded.untold(source, mine):
            desk.miss(source, missing)
            self.findings.append(finding)
        for one, other in pairwise(mine):
            if source.paper and not dimensionless(source) and other.start < one.end:
                desk.miss(source, f"{source.key}: {one.record[:16]} / {other.record[:16]}")
                self.findings.append(fault("credit.records_overlap", source.key, one=one.record, other=other.record))

    def _opinions(self, desk: Desk) -> None:
        for source in desk.frame.sources:
            if dimensionless(source) and (values := [b.amount for b in desk.bookings.get(source.key, ())]):
                desk.raw[source.key] = desk.value[source.key] = desk.lower(source.key, values)

    # -- what comes out ---------------------------------------------------------------------------------------------

    def _crediting(self) -> Crediting:
        evidence, last = self.evidence, self.frames[-1]
        vintages = tuple(self._vintages())
        whole = [vintage.tonnes for vintage in vintages]
        plan = last.version.plan
        return Crediting(
            site=plan.site,
            project=evidence.project,
            title=last.project.title,
            reference=last.project.reference or "",
            timezone=plan.timezone,
            tzdata=period.TZDATA_VERSION,
            start=evidence.start,
            end=evidence.end,
            plans=tuple((version.start or 0, version.digest) for version in self.versions.versions),
            segments=tuple(rows.segment(desk, self.found, self.ledger.lines) for desk in self.desks),
            ledger=tuple(self.ledger.lines),
            vintages=vintages,
            tonnes=None if None in whole else sum(one for one in whole if one is not None),
            calibrations=tuple(self._calibrations()),
            cross_checks=(*self.checks, *rows.estimates(last.project, vintages)),
            completeness=tuple(self._completeness()),
            events=tuple(self._events()),
            not_for_submission=tuple(self._unfit()),
            findings=tuple(self.findings),
        )

    def _vintages(self) -> Iterator[Vintage]:
        for year in sorted({frame.year for frame in self.frames}):
            mine = [desk for desk in self.desks if desk.frame.year == year]
            missing = tuple(dict.fromkeys(name for desk in mine for names in desk.missing.values() for name in names))
            start, end = mine[0].frame.start, mine[-1].frame.end
            hours = Fraction(sum(desk.frame.end - desk.frame.start for desk in mine), HOUR)
            values = [
                None if missing else sum((d.solve()[n, ""] for d in mine), ZERO) for n in ("RE_p", "PE_p", "ER_p")
            ]
            tonnes = None if values[2] is None else values[2] / TONNE
            yield Vintage(
                year=year,
                start=start,
                end=end,
                hours=hours,
                reference=values[0],
                project=values[1],
                reduction=values[2],
                tonnes=None if tonnes is None else floor(tonnes),
                near_integer=tonnes is not None and abs(tonnes - round(tonnes)) <= NEAR,
                missing=missing,
            )

    def _credited_points(self) -> list[str]:
        return list(dict.fromkeys(source.point for frame in self.frames for source in frame.sources if source.point))

    def _calibrations(self) -> Iterator[CalibrationRow]:
        for point in self._credited_points():
            yield from calibration.rows(self.links(point), "", self.evidence.end)

    def _completeness(self) -> Iterator[Completeness]:
        for frame in self.frames:
            for source in frame.sources:
                if not source.paper:
                    yield overview.completeness(frame, source, self.sealed(source.point), self.found(source))

    def _events(self) -> Iterable[Event]:
        names = {point.id for frame in self.frames for point in frame.version.plan.points}
        mine = [one for point in sorted(names) for one in self.sealed(point)]
        window = self.evidence.start, self.evidence.end
        found = overview.events(mine, self.evidence.papers, self.versions, window)
        signs = {source.key: source.sign for frame in self.frames for source in frame.sources}
        return overview.treated(found, self.ledger.lines, signs)

    def _unfit(self) -> Iterator[Fault]:
        for frame in {frame.methodology.name: frame for frame in self.frames}.values():
            if rows.digest(frame) not in self.evidence.verified:
                yield fault("credit.provisional", frame.methodology.name)
        yield from lacking(self.frames[-1].version.plan, self.frames[-1].project)
        for vintage in (desk for desk in self.desks if not desk.whole):
            yield fault("credit.missing", f"{vintage.frame.year}", count=len(vintage.missing))
