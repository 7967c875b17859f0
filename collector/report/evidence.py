"""Where every figure comes from, and a sample of readings nobody could choose: for the verifier's own tools."""

from __future__ import annotations

from collector.report.cells import Cell, Column, Figure, Page, Value
from collector.report.frame import Frame
from collector.report.material import Material, Sample
from mrv.journal import Entry
from mrv.messages import text
from mrv.records import SpotReading

EVIDENCE, SAMPLING = "evidence", "sampling"
LOG_COLUMNS = (
    Column(label="origin", width=34, style="wrap"),
    Column(label="size", width=12, style="integer"),
    Column(label="root", width=34, style="mono"),
    Column(label="received", width=22),
    Column(label="admitted", width=13, style="integer"),
    Column(label="quarantined", width=13, style="integer"),
    Column(label="leaves_used", width=14, style="integer"),
    Column(label="key", width=34, style="mono"),
    Column(label="receipt", width=56, style="mono"),
)
SAMPLE_COLUMNS = (
    Column(label="number", width=6, style="integer"),
    Column(label="origin", width=28, style="wrap"),
    Column(label="index", width=10, style="integer"),
    Column(label="meter", width=13),
    Column(label="slot", width=22),
    Column(label="words", width=28, style="mono"),
    Column(label="decoded", width=28, style="mono"),
    Column(label="leaf_hash", width=34, style="mono"),
    Column(label="proof", width=60, style="mono"),
)
SPOT_COLUMNS = ("number", "who", "point", "meter", "at", "shown", "logged", "record", "photos")


def evidence(frame: Frame, material: Material) -> Page:
    """Origins, sizes, roots and receipts, and the head of the office's journal."""
    page = frame.page(EVIDENCE)
    page.table(LOG_COLUMNS, frame.languages)
    for log in material.logs:
        counts = (log.admitted, log.quarantined, log.usages)
        received = frame.instant(log.received) if log.received else ""
        page.line(LOG_COLUMNS, [log.origin, log.size, log.root, received, *counts, log.key, log.receipt])
    page.add()
    head = f"{material.journal_head or '-'} ({material.journal_size} lines)"
    for name, words in (
        ("journal_head", head),
        ("how_to_verify", text("report.verify_statement")),
        ("software", material.software),
    ):
        page.add(
            [Cell(value=frame.label(name), style="head"), Cell(value=words, style="wrap", span=len(LOG_COLUMNS) - 1)]
        )
    return page


def sampling(frame: Frame, material: Material) -> Page:
    """A seeded list of readings, and what people read off the displays."""
    page = frame.page(SAMPLING)
    page.add([Cell(value=f"{frame.first('seed')}: {material.seed}", style="note")])
    page.add([Cell(value=text("report.sampling_statement"), style="note")])
    page.table(SAMPLE_COLUMNS, frame.languages)
    for number, sample in enumerate(material.samples, 1):
        page.line(SAMPLE_COLUMNS, _sample(frame, number, sample))
    spots = [one for one in material.relevant() if isinstance(one.record, SpotReading)]
    if spots:
        page.add()
        page.add([Cell(value=frame.inline("spot"), style="label")])
        page.add(Cell(value=frame.label(name), style="head") for name in SPOT_COLUMNS)
    for number, one in enumerate(spots, 1):
        page.add(_spot(number, one, material.logged.get(one.digest, {})))
    return page


def _sample(frame: Frame, number: int, sample: Sample) -> list[Value | Cell]:
    slot = frame.instant(sample.slot) if sample.slot is not None else "-"
    figure = Figure(kind="sample", key=(sample.origin, sample.index))
    where = Cell(value=sample.index, style="integer", figure=figure)
    found: list[Value | Cell] = [
        number,
        sample.origin,
        where,
        sample.meter,
        slot,
        _pairs(sample.words),
        _pairs(sample.decoded),
    ]
    return [*found, sample.leaf_hash, sample.proof]


def _spot(number: int, one: Entry, logged: dict[str, str]) -> list[Cell]:
    record = one.record
    if not isinstance(record, SpotReading):
        return []
    shown = _pairs({name: str(value) for name, value in record.registers.items()})
    return [
        Cell(value=number, style="integer"),
        Cell(value=record.who, style="wrap", confidential=True),
        Cell(value=record.point),
        Cell(value=record.meter),
        Cell(value=record.at.isoformat(sep=" ")),
        Cell(value=shown, style="mono"),
        Cell(value=_pairs(logged), style="mono"),
        Cell(value=one.digest, style="mono"),
        Cell(value=record.photo or "", style="mono"),
    ]


def _pairs(values: dict[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in sorted(values.items()))
