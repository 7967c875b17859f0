"""From a cell of the report down to the words on the wire: figure, ledger, usages, leaves, readings, decoded again.

Every step is looked up again in the archive; what is printed as decoded comes from the raw words, not from what the
site said they mean. A trace is a plain value: the command prints it or hands it to a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from collector.archive import Archive
from collector.report.cells import Cell, Figure, Page, letters, place
from collector.report.inputs import INPUT
from collector.report.material import Material
from collector.report.sample import decoded, put_right
from collector.report.sealed import SiteUsages
from mrv import leaf, period
from mrv.crediting.result import Line, MonitoredRow, Segment, TermRow
from mrv.crediting.sealed import redecoded
from mrv.errors import BadInput, Fault, fault
from mrv.leaf import Usage
from mrv.measurand import BY_OBIS
from mrv.messages import what
from mrv.reading import Reading

#: Leaves looked through for the reading that opens or closes a usage.
REACH = 200_000
#: Usages told in full unless all are asked for: the first and the last.
ENDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a trace walks through."""

    material: Material
    pages: tuple[Page, ...]
    usages: SiteUsages
    archive: Archive


def trace(sources: Sources, address: str, *, every: bool = False) -> dict[str, Any]:
    """What stands behind the cell at `address` (`input!E7`). Raises BadInput for a cell that shows no figure."""
    cell = _cell(sources.pages, address)
    if cell is None or cell.figure is None:
        raise BadInput(fault("collector.figure_unknown", address))
    found = {"figure": address, "value": exact(cell.value), "formula": cell.formula}
    return found | _behind(sources, cell.figure, every=every)


def figures(pages: Sequence[Page]) -> Iterator[tuple[str, Cell]]:
    """Every cell that can be traced, with its address."""
    for page in pages:
        for row, column, cell in page.cells():
            if cell.figure is not None:
                yield f"{page.name}!{letters(column)}{row}", cell


def _cell(pages: Sequence[Page], address: str) -> Cell | None:
    where = place(address)
    for page in pages:
        if where is not None and page.name == where[0] and where[1] <= len(page.rows):
            return page.rows[where[1] - 1].get(where[2])
    return None


def _behind(sources: Sources, figure: Figure, *, every: bool) -> dict[str, Any]:
    crediting = sources.material.crediting
    segments = {segment.number: segment for segment in crediting.segments}
    match figure.kind, figure.key:
        case "total", _:
            return {
                "kind": "total",
                "from": [_address(sources, Figure(kind="vintage", key=(v.year,))) for v in crediting.vintages],
            }
        case "vintage", (year,):
            mine = [s for s in crediting.segments if s.year == year]
            return {"kind": "vintage", "year": year, "segments": [_segment(sources, s) for s in mine]}
        case "computed", (int(number), str(symbol), str(item)):
            row = next(r for r in segments[number].computed if (r.symbol, r.item) == (symbol, item))
            return {"kind": "computed", "symbol": symbol, "equation": row.equation} | _segment(
                sources, segments[number]
            )
        case "ex_ante", (int(number), str(symbol), str(item)):
            return _fixed(segments[number], symbol, item)
        case "parameter", (int(number), str(symbol), str(item)):
            return _parameter(sources, segments[number], symbol, item)
        case "term", (int(number), str(symbol), str(item), int(index)):
            row_ = _monitored(segments[number], symbol, item)
            return _term(sources, segments[number], row_.terms[index], every=every)
        case "line", (int(number),):
            return _line(sources, crediting.ledger[number - 1], every=every)
        case "sample", (str(origin), int(index)):
            return {"kind": "sample", "reading": _leaf(sources, origin, index)}
    raise BadInput(fault("collector.figure_unknown", str(figure.key)))


def _address(sources: Sources, figure: Figure) -> str:
    """The first cell that shows `figure`, the input page before others."""
    found = [address for address, cell in figures(sources.pages) if cell.figure == figure]
    return next((one for one in found if one.startswith(f"{INPUT}!")), found[0] if found else "")


def _segment(sources: Sources, segment: Segment) -> dict[str, Any]:
    rows = [Figure(kind="parameter", key=(segment.number, r.symbol, r.item)) for r in segment.monitored]
    fixed = [Figure(kind="ex_ante", key=(segment.number, r.symbol, r.item)) for r in segment.ex_ante]
    return {
        "segment": segment.number,
        "from": period.shown(segment.start),
        "to": period.shown(segment.end),
        "plan": segment.plan,
        "methodology": segment.methodology,
        "methodology_digest": segment.methodology_digest,
        "monitored": [_address(sources, figure) for figure in rows],
        "ex_ante": [_address(sources, figure) for figure in fixed],
    }


def _fixed(segment: Segment, symbol: str, item: str) -> dict[str, Any]:
    row = next(r for r in segment.ex_ante if (r.symbol, r.item) == (symbol, item))
    said = {"document": row.document, "date": str(row.date), "locator": row.locator, "plan": segment.plan}
    return {"kind": "ex_ante", "symbol": symbol, "item": item, "given": f"{row.value} {row.unit}"} | said


def _monitored(segment: Segment, symbol: str, item: str) -> MonitoredRow:
    return next(r for r in segment.monitored if (r.symbol, r.item) == (symbol, item))


def _parameter(sources: Sources, segment: Segment, symbol: str, item: str) -> dict[str, Any]:
    row = _monitored(segment, symbol, item)
    terms = [Figure(kind="term", key=(segment.number, symbol, item, index)) for index in range(len(row.terms))]
    lines = [
        one
        for one in sources.material.crediting.ledger
        if (one.segment, one.symbol, one.item) == (segment.number, symbol, item)
    ]
    return {
        "kind": "parameter",
        "symbol": symbol,
        "item": item,
        "unit": row.unit,
        "raw": exact(row.raw),
        "corrected": exact(row.corrected),
        "from": [_address(sources, figure) for figure in terms],
        "ledger": [_ledger(line) for line in lines],
    }


# -- registers and their usages ------------------------------------------------------------------------------------


def _term(sources: Sources, segment: Segment, term: TermRow, *, every: bool) -> dict[str, Any]:
    lines = [
        one for one in sources.material.crediting.ledger if (one.segment, one.source) == (segment.number, term.source)
    ]
    return {
        "kind": "term",
        "source": term.source,
        "unit": term.unit,
        "raw": exact(term.raw),
        "corrected": exact(term.corrected),
        "ledger": [_ledger(line) for line in lines],
        "records": list(term.records),
        **_usages(sources, term.usages, term.register, every=every),
    }


def _line(sources: Sources, line: Line, *, every: bool) -> dict[str, Any]:
    segment = next(s for s in sources.material.crediting.segments if s.number == line.segment)
    terms = [t for row in segment.monitored for t in row.terms if t.source == line.source]
    held = {one.digest: one for one in sources.usages.sealed}
    within = [
        name
        for term in terms
        for name in term.usages
        if name in held and held[name].usage.start < line.end and held[name].usage.end > line.start
    ]
    register = terms[0].register if terms else ""
    return {"kind": "line", "ledger": [_ledger(line)], **_usages(sources, tuple(within), register, every=every)}


def _ledger(line: Line) -> dict[str, Any]:
    return {
        "number": line.number,
        "kind": line.kind,
        "raw": exact(line.raw),
        "factor": exact(line.factor),
        "corrected": exact(line.corrected),
        "effect_kg": exact(line.effect),
        "reason": _words(line.reason),
        "document": line.document,
    }


def _words(reason: Fault) -> str:
    return what(reason)


def _usages(sources: Sources, names: tuple[str, ...], register: str, *, every: bool) -> dict[str, Any]:
    """The sealed usages that were added up; the readings behind all of them, or behind the first and the last."""
    held = {one.digest: one for one in sources.usages.sealed}
    known = [held[name] for name in names if name in held]
    total = sum((one.energy(register) or Fraction(0) for one in known), Fraction(0))
    told = known if every or len(known) <= 2 * ENDS else [*known[:ENDS], *known[-ENDS:]]
    return {
        "usages": len(names),
        "usages_sum": exact(total) if register else None,
        "told": [_usage(sources, one.digest, one.usage, register) for one in told],
    }


def _usage(sources: Sources, digest: str, usage: Usage, register: str) -> dict[str, Any]:
    origin, index = sources.usages.places[digest]
    obis = next((code for code, one in BY_OBIS.items() if one.name.lower() == register), "")
    used = usage.registers.get(obis)
    return {
        "digest": digest,
        "origin": origin,
        "index": index,
        "meter": usage.meter,
        "from": period.shown(usage.start),
        "to": period.shown(usage.end),
        "flags": list(usage.flags),
        "register": obis,
        "opening": used.opening if used else None,
        "closing": used.closing if used else None,
        "used": used.used if used else None,
        "again": _again(sources, digest, register, obis),
        "opened_by": _reading(sources, origin, index, usage, usage.opened),
        "closed_by": _reading(sources, origin, index, usage, usage.closed),
    }


def _again(sources: Sources, digest: str, register: str, obis: str) -> dict[str, Any] | None:
    """What a usage would have been by the right text of its profile; what that cannot tell is absent."""
    found = sources.usages.again.get(digest)
    if found is None:
        return None
    (one,) = redecoded((one for one in sources.usages.sealed if one.digest == digest), {digest: found})
    used = None if one.untold(register) else one.usage.registers.get(obis)
    return {
        "record": found.fix.digest,
        "right": found.fix.record.right,
        "flags": list(one.usage.flags),
        "opening": used.opening if used else None,
        "closing": used.closing if used else None,
        "used": used.used if used else None,
    }


def _reading(sources: Sources, origin: str, before: int, usage: Usage, slot: int | None) -> dict[str, Any] | None:
    """The reading of the usage's meter at `slot`: it stands before the usage in the log."""
    for count, (index, data) in enumerate(sources.archive.newest_first(origin, before)):
        if count > REACH or slot is None:
            return None
        if b'"k":"reading"' in data and f'"slot":{slot}'.encode() in data:
            fact = leaf.decode(data)
            if isinstance(fact, Reading) and (fact.meter, fact.slot) == (usage.meter, slot):
                return _leaf(sources, origin, index)
    return None


def _leaf(sources: Sources, origin: str, index: int) -> dict[str, Any]:
    """One reading leaf as it stands, and its registers decoded again from the raw words."""
    (data,) = sources.archive.leaves(origin, index, index + 1)
    fact = leaf.decode(data)
    if not isinstance(fact, Reading):
        raise BadInput(fault("collector.figure_unknown", f"{origin} {index}"))
    again, right = decoded(sources.usages, origin, fact), put_right(sources.usages, origin, fact)
    return {
        "origin": origin,
        "index": index,
        "digest": leaf.digest(data),
        "meter": fact.meter,
        "slot": period.shown(fact.slot) if fact.slot is not None else None,
        "read_at": period.shown(fact.ts),
        "words": fact.raw,
        "said": fact.registers,
        "decoded": again,
        "equal": again == fact.registers,
        "put_right": {"right": right[0].record.right, "decoded": right[1]} if right else None,
    }


def exact(value: object) -> str | int | None:
    """A figure without a digit lost: a decimal where it has one, else a fraction."""
    if isinstance(value, Fraction):
        return decimal(value)
    return value if isinstance(value, int) or value is None else str(value)


def decimal(value: Fraction) -> str:
    """The shortest exact spelling."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}d}"
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def lines(found: dict[str, Any], indent: str = "") -> Iterator[str]:
    """A trace as a person reads it."""
    for name, value in found.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from lines(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for number, one in enumerate(value, 1):
                yield f"{indent}{name} {number}:"
                yield from lines(one, indent + "  ")
        elif value not in (None, [], ""):
            yield f"{indent}{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
