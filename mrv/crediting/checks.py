"""Cross-checks: two ways to know one quantity, held against what both can be off by together.

The registered option is credited and the other one checks it. Where they are further apart than their combined accuracy
the one that gives less is credited, and somebody has to explain. An invoice is compared over its own instants: its
amount is never pro-rated to ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from mrv.crediting.calibration import Link, certain_error
from mrv.crediting.pieces import Piece
from mrv.crediting.result import CrossCheck
from mrv.crediting.sealed import Paper
from mrv.crediting.segments import Source
from mrv.crediting.work import ZERO, Desk, Ledger
from mrv.errors import Fault, fault
from mrv.methodology import units
from mrv.period import in_ms as ms
from mrv.records import Explanation, Invoice

Chains = Callable[[str], tuple[Link, ...]]
#: Point and register -> what the meters there counted.
Metered = Callable[[str, str], tuple[Piece, ...]]


def invoices(
    ledger: Ledger, desk: Desk, papers: Sequence[Paper], metered: Metered, chains: Chains
) -> Iterator[CrossCheck]:
    """Every invoice that lies in the segment against the meters of its points; posts the lower one where they differ.

    Raises Undefined.
    """
    for paper in papers:
        invoice = paper.record
        if isinstance(invoice, Invoice) and desk.frame.start < ms(invoice.end) <= desk.frame.end:
            sources = [s for s in desk.frame.sources if s.point in invoice.points and s.register == invoice.register]
            if sources and {s.point for s in sources} == set(invoice.points):
                yield _invoice(ledger, desk, sources, paper, invoice, papers, metered, chains)


def _invoice(
    ledger: Ledger,
    desk: Desk,
    sources: Sequence[Source],
    paper: Paper,
    invoice: Invoice,
    papers: Sequence[Paper],
    metered: Metered,
    chains: Chains,
) -> CrossCheck:
    first, span = sources[0], (ms(invoice.start), ms(invoice.end))
    counted, torn = _over([piece for s in sources for piece in metered(s.point, s.register)], span)
    billed = units.convert(invoice.value, units.unit(invoice.unit), first.coherent)
    accuracy = first.terms.accuracy.share if first.terms.accuracy else ZERO
    error = max((certain_error(chains(s.point), span[0]) for s in sources), default=ZERO)
    allowed = abs(counted) * error + abs(billed) * accuracy + torn
    by_invoice = first.terms.chosen == "B"
    mine, other = (billed, counted) if by_invoice else (counted, billed)
    agrees = abs(billed - counted) <= allowed
    credited = mine
    if not agrees and desk.whole:
        now = desk.value[first.key]
        credited = desk.lower(first.key, (now, now + other - mine)) - now + mine
    reason = _said("invoice", invoice.number, agrees, paper.digest, papers)
    if credited != mine:
        ledger.post(
            desk, first, "cross_check", reason, span=span, raw=mine, corrected=credited, document=invoice.document
        )
    return CrossCheck(
        kind="invoice",
        symbol=first.symbol,
        item=first.item,
        subject=invoice.number,
        start=span[0],
        end=span[1],
        unit=first.unit,
        metered=counted,
        other=billed,
        allowed=allowed,
        agrees=agrees,
        credited="invoice"
        if (credited == billed) == (mine == billed) and by_invoice != (credited != mine)
        else "meter",
        reason=reason,
    )


def _over(found: Sequence[Piece], span: tuple[int, int]) -> tuple[Fraction, Fraction]:
    """What `found` adds up to over `span`, and how much of it crosses its ends and could lie on either side."""
    inside, torn = ZERO, ZERO
    for piece in found:
        if span[0] <= piece.start and piece.end <= span[1]:
            inside += piece.amount
        elif piece.start < span[1] and piece.end > span[0]:
            torn += abs(piece.amount)
    return inside, torn


def _said(kind: str, subject: str, agrees: bool, digest: str, papers: Sequence[Paper]) -> Fault:
    """Agreement, an explanation somebody recorded, or that one is owed."""
    if agrees:
        return fault(f"credit.{kind}_agrees", subject)
    for paper in papers:
        if isinstance(paper.record, Explanation) and paper.record.about in (digest, subject):
            words = {"text": paper.record.text, "who": paper.record.who}
            return fault("credit.differs_explained", subject, **words)
    return fault(f"credit.{kind}_differs", subject)


def compared(desk: Desk, metered: Metered, chains: Chains, papers: Sequence[Paper]) -> Iterator[CrossCheck]:
    """Check meters and inverters against the points they check, over the segment. They are never credited."""
    for point in desk.frame.version.plan.points:
        sources = [source for source in desk.frame.sources if source.point == point.checks]
        for source in sources:
            span = desk.frame.window(source.item)
            found = metered(point.id, source.register)
            if not found:
                continue
            other, torn = _over(found, span)
            own, own_torn = _over(metered(source.point, source.register), span)
            allowed = abs(own) * certain_error(chains(source.point), span[0]) + torn + own_torn
            allowed += abs(other) * certain_error(chains(point.id), span[0])
            agrees = abs(own - other) <= allowed
            kind = "inverter" if point.evidence == "inverter" else "check"
            yield CrossCheck(
                kind="inverter" if kind == "inverter" else "check",
                symbol=source.symbol,
                item=source.item,
                subject=point.id,
                start=span[0],
                end=span[1],
                unit=source.unit,
                metered=own,
                other=other,
                allowed=allowed,
                agrees=agrees,
                credited="meter",
                reason=_said(kind, point.id, agrees, point.id, papers),
            )


def full_load(desk: Desk) -> Iterator[CrossCheck]:
    """Full-load hours of every rated point against the hours it can run at most."""
    for source in desk.frame.sources:
        point = desk.frame.point(source.point) if source.point else None
        if point is None or point.rated is None or source.key not in desk.value or source.sign < 0:
            continue
        start, end = desk.frame.window(source.item)
        hours = desk.value[source.key] * source.coherent.factor / point.rated.power.coherent
        most = Fraction(point.rated.hours) if point.rated.hours else desk.hours(source.item)
        yield CrossCheck(
            kind="full_load_hours",
            symbol=source.symbol,
            item=source.item,
            subject=point.id,
            start=start,
            end=end,
            unit="h",
            metered=hours,
            other=most,
            allowed=most,
            agrees=hours <= most,
            credited="meter",
            reason=fault("credit.full_load_fits" if hours <= most else "credit.full_load_exceeded", point.id),
        )
