"""Who answers for the monitoring, what was built, and every device at every point: from plan, wiring and records."""

from __future__ import annotations

from collector.report.cells import Cell, Column, Page, Value
from collector.report.frame import Frame
from collector.report.material import Material, Wired
from mrv.measurand import Measurand
from mrv.plan import Device, Point, Project
from mrv.profile import MEASURANDS
from mrv.records import Deviation, Exchange, Implementation, Installed

STRUCTURE, METERING, IMPLEMENTATION = "structure", "metering", "implementation"
PERSON_COLUMNS = (
    Column(label="role", width=32, style="wrap"),
    Column(label="name", width=30, style="wrap", confidential=True),
    Column(label="duty", width=70, style="wrap"),
)
PARTY_COLUMNS = ("participant", "country", "role")
DEVICE_COLUMNS = (
    Column(label="point", width=11),
    Column(label="diagram", width=12, style="wrap"),
    Column(label="scope", width=28, style="wrap"),
    Column(label="evidence_class", width=11),
    Column(label="direction", width=22, style="wrap"),
    Column(label="device", width=9),
    Column(label="make_model", width=20, style="wrap"),
    Column(label="serial", width=14, confidential=True),
    Column(label="accuracy", width=18, style="wrap"),
    Column(label="ratio", width=14, style="wrap"),
    Column(label="burden", width=11, style="wrap"),
    Column(label="mpe", width=11, style="share"),
    Column(label="seals", width=16, style="wrap", confidential=True),
    Column(label="photos", width=20, style="wrap"),
    Column(label="installed", width=12, style="date"),
    Column(label="removed", width=12, style="date"),
)
WIRED_HEADS = (
    "point", "in_force", "log", "polling", "register_obis", "meter", "make_model", "serial", "profile", "multiplier",
    "resolution", "modulus", "digits", "said_by_meter",
)  # fmt: skip
EXCHANGE_HEADS = (
    "point", "at", "what", "meter", "reason", "serial", "document", "record", "ratio", "cts", "seals", "certificate",
    "photos", "as_found",
)  # fmt: skip
ESTIMATE_COLUMNS = (
    Column(label="vintage", width=14, style="year"),
    Column(label="reduction_t", width=24, style="fine"),
    Column(label="estimate_t", width=22, style="integer"),
    Column(label="share_of_estimate", width=18, style="share"),
)
CHANGE_HEADS = ("from", "to", "kind", "item", "what", "approval")


def structure(frame: Frame, material: Material) -> Page:
    """The monitoring structure sheet: responsible persons, participants, metering boundary."""
    page = frame.page(STRUCTURE)
    page.table(PERSON_COLUMNS, frame.languages)
    project = newest(material)
    if project is None:
        return page
    for person in project.responsible:
        page.line(PERSON_COLUMNS, [person.role, person.name or "-", person.duty])
    page.add()
    page.add(Cell(value=frame.label(name), style="head") for name in PARTY_COLUMNS)
    for party in project.participants:
        page.add([Cell(value=party.name, style="wrap"), Cell(value=party.country), Cell(value=party.role or "")])
    page.add()
    sets = ", ".join(f"{one.id} ({one.mode})" for one in project.generators or ())
    declared = sets or ("-" if project.generators is not None else "?")
    for name, words in (
        ("boundary", project.boundary or "-"),
        ("supply", " + ".join(project.supply)),
        ("generators", declared),
    ):
        page.add([Cell(value=frame.label(name), style="head"), Cell(value=words, style="wrap", span=2)])
    return page


def newest(material: Material) -> Project | None:
    """The project in the newest version of the plan."""
    found = material.projects()
    return found[-1][1] if found else None


def metering(frame: Frame, material: Material) -> Page:
    """Per point every device that ever stood there in the period, then how the meters were wired, then exchanges."""
    page = frame.page(METERING)
    page.table(DEVICE_COLUMNS, frame.languages)
    for point in material.points():
        directions = _directions(frame, point)
        for device in point.devices:
            page.line(DEVICE_COLUMNS, _device(point, directions, device))
        if not point.devices:
            page.line(DEVICE_COLUMNS, [*_where(point, directions), *[""] * 6, None, "", "", None, None])
    page.add()
    page.add(Cell(value=frame.label(name), style="head") for name in WIRED_HEADS)
    points = {point.id for point in material.points()}
    for wired in material.wired:
        if wired.point in points:
            page.add(_wired(frame, wired))
    _exchanges(frame, page, material)
    return page


def _directions(frame: Frame, point: Point) -> str:
    found: dict[str, None] = {}
    for segment in frame.crediting.segments:
        for row in segment.monitored:
            for term in row.terms:
                if term.point == point.id:
                    name = f"{row.symbol}[{row.item}]" if row.item else row.symbol
                    found[f"{name}: {'+' if term.sign > 0 else '-'} {term.register or term.record}"] = None
    return "\n".join(found)


def _where(point: Point, directions: str) -> list[Value | Cell]:
    return [point.id, point.diagram or "-", point.scope, point.evidence, directions]


def _device(point: Point, directions: str, device: Device) -> list[Value | Cell]:
    return [
        *_where(point, directions),
        device.device,
        " ".join(filter(None, (device.make, device.model))),
        device.serial,
        ", ".join(filter(None, (device.accuracy, device.standard))),
        device.ratio or "",
        device.burden or "",
        device.mpe.share,
        ", ".join(device.seals),
        "\n".join(device.photos),
        device.installed,
        device.removed,
    ]


def _wired(frame: Frame, wired: Wired) -> list[Cell]:
    registers = [f"{name} ({obis})" for name, obis, _, _ in wired.registers]
    unit = [f"10^-{decimals} {_unit(name)}" for name, _, decimals, _ in wired.registers]
    moduli = [f"{modulus:,}" if modulus else "-" for _, _, _, modulus in wired.registers]
    return [
        Cell(value=wired.point),
        Cell(value=frame.instant(wired.since), style="wrap"),
        Cell(value=wired.origin, style="wrap"),
        Cell(value=wired.every, style="integer"),
        Cell(value="\n".join(registers), style="wrap"),
        Cell(value=wired.meter),
        Cell(value=f"{wired.maker} {wired.models}", style="wrap"),
        Cell(value=wired.serial, confidential=True),
        Cell(value=wired.profile, style="wrap"),
        Cell(value=wired.ratio or "1"),
        Cell(value="\n".join(unit), style="wrap"),
        Cell(value="\n".join(moduli), style="wrap"),
        Cell(value="\n".join(_digits(modulus, decimals) for _, _, decimals, modulus in wired.registers), style="wrap"),
        Cell(value=wired.said, style="wrap", confidential=True),
    ]


def _digits(modulus: int | None, decimals: int) -> str:
    """Digits before and behind the point of a register; those before only where the maker says where it rolls over."""
    return f"{len(str(modulus - 1))} + {decimals}" if modulus else f"? + {decimals}"


def _unit(name: str) -> str:
    found: Measurand | None = MEASURANDS.get(name)
    return found.unit if found else ""


def _exchanges(frame: Frame, page: Page, material: Material) -> None:
    found = [one for one in material.relevant() if isinstance(one.record, Exchange)]
    if not found:
        return
    page.add()
    page.add(Cell(value=frame.label(name), style="head") for name in EXCHANGE_HEADS)
    for one in found:
        record = one.record
        if not isinstance(record, Exchange):
            continue
        for name, side in (("removed", record.removed), ("installed", record.installed)):
            values = " ".join(f"{register}={value}" for register, value in sorted(side.registers.items()))
            page.add(
                [
                    Cell(value=record.point),
                    Cell(value=side.at.isoformat(sep=" "), style="wrap"),
                    Cell(value=f"{frame.first(name)}: {values}", style="wrap"),
                    Cell(value=side.meter),
                    Cell(value=record.reason, style="wrap"),
                    Cell(value=side.serial, confidential=True),
                    Cell(value=record.document, style="wrap"),
                    Cell(value=one.digest, style="wrap"),
                    *_installed(side, record.as_found if name == "removed" else ()),
                ]
            )


def _installed(side: Installed, found: tuple[Deviation, ...]) -> list[Cell]:
    """Transformers, seals, papers and photo of one side of an exchange, and the test of the removed meter."""
    return [
        Cell(value=side.ratio or "", style="wrap"),
        Cell(value=", ".join(side.cts), style="wrap", confidential=True),
        Cell(value=", ".join(side.seals), style="wrap", confidential=True),
        Cell(value=side.certificate or "", style="wrap"),
        Cell(value=side.photo or "", style="wrap"),
        Cell(value=", ".join(f"{one.error} {one.unit} {one.register or ''}".strip() for one in found), style="wrap"),
    ]


def implementation(frame: Frame, material: Material) -> Page:
    """Reduction against the estimate, start of operation, and what was built, stopped or changed."""
    page = frame.page(IMPLEMENTATION)
    page.table(ESTIMATE_COLUMNS, frame.languages)
    project = newest(material)
    estimates = {one.year: one.tonnes for one in project.estimates} if project else {}
    for vintage in frame.crediting.vintages:
        row = len(page.rows) + 1
        estimate = estimates.get(vintage.year)
        tonnes = vintage.reduction / 1000 if vintage.reduction is not None else None
        share = tonnes / estimate if tonnes is not None and estimate else None
        place = frame.places["vintage", vintage.year].replace("$G$", "$F$")
        shown = Cell(value=tonnes, formula=place if tonnes is not None else None, style="fine")
        ratio = Cell(value=share, formula=f"B{row}/C{row}" if share is not None else None, style="share")
        page.line(ESTIMATE_COLUMNS, [vintage.year, shown, estimate, ratio])
    page.add()
    for column, width in ((5, 60), (6, 30)):
        page.widths[column] = width
    page.add(Cell(value=frame.label(name), style="head") for name in CHANGE_HEADS)
    _starts(page, frame, project)
    for one in material.entries:
        record = one.record
        if isinstance(record, Implementation) and record.project == frame.crediting.project:
            cells = [Cell(value=record.start.isoformat(sep=" ")), Cell(value=f"{record.end or ''}")]
            cells += [Cell(value=record.what), Cell(value=record.item or "")]
            page.add(
                [
                    *cells,
                    Cell(value=record.text, style="wrap"),
                    Cell(value=record.approval or one.digest[:16], style="wrap"),
                ]
            )
    return page


def _starts(page: Page, frame: Frame, project: Project | None) -> None:
    if project is None:
        return
    starts = [("", project.title, project.operation_start)]
    starts += [(item.id, item.title or "", item.operation_start or project.operation_start) for item in project.items]
    for item, title, day in starts:
        cells = [Cell(value=str(day or "?")), Cell(value=""), Cell(value=frame.first("operation_start"))]
        page.add([*cells, Cell(value=item), Cell(value=title, style="wrap"), Cell(value=frame.first("planned"))])
