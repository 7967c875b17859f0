"""What every page shares while a report is laid out: the material, the languages, where cells stand, how things look.

Only words and layout live here; no page may compute a figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from fractions import Fraction
from typing import Any, Literal

from collector.report.cells import Cell, Page, label
from mrv import period
from mrv.crediting.result import CalendarRow, ComputedRow, Crediting, ExAnteRow, MonitoredRow, Segment
from mrv.errors import Fault
from mrv.messages import what
from mrv.methodology import units

#: Where a figure stands: (part, *key) -> address.
Places = dict[tuple[str | int, ...], str]
#: kg to t: emissions leave mrv in kg.
TONNE = Fraction(1000)


@dataclass(slots=True, kw_only=True)
class Frame:
    """One report in the making."""

    crediting: Crediting
    languages: tuple[str, ...] = ("en", "vi", "ja")
    places: Places = field(default_factory=dict)

    @property
    def zone(self) -> tzinfo:
        return period.zone(self.crediting.timezone)

    def label(self, name: str) -> str:
        return label(name, self.languages)

    def inline(self, name: str) -> str:
        """A label in all languages on one line."""
        return self.label(name).replace("\n", " · ")

    def first(self, name: str) -> str:
        """A label in the first language alone, for the body of a table."""
        return label(name, self.languages[:1])

    def instant(self, ms: int) -> str:
        """A UTC instant as local time with its offset; never a bare date that a reader would take for his own."""
        return period.instant(ms).astimezone(self.zone).isoformat(sep=" ", timespec="minutes")

    def span(self, start: int, end: int) -> str:
        return f"{self.instant(start)} to {self.instant(end)}"

    def page(self, name: str) -> Page:
        """A page with its title and, while the report must not be filed, the warning on top."""
        page, crediting = Page(name=name, title=label(f"sheet_{_key(name)}", ("en",))), self.crediting
        page.add([Cell(value=label(f"sheet_{_key(name)}", self.languages[:1]), style="title")])
        others = [label(f"sheet_{_key(name)}", (language,)) for language in self.languages[1:]]
        reference = f"{crediting.reference or 'no reference number yet'} | {crediting.project} | {crediting.title}"
        page.add([Cell(value=" · ".join(others), style="note")])
        page.add([Cell(value=f"{reference} | {self.span(crediting.start, crediting.end)}", style="note")])
        if crediting.not_for_submission:
            page.add([Cell(value=self.inline("not_for_submission"), style="warning")])
        page.add()
        return page


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One value of a segment in the methodology's unit, whichever table it stands in."""

    part: Literal["ex_ante", "monitored", "calendar", "computed"]
    symbol: str
    item: str
    unit: str
    description: str
    value: Fraction | None


def known(segment: Segment) -> Iterator[Known]:
    """Every value of `segment`: fixed, monitored (after corrections), of the calendar, computed, in this order."""
    for fixed in segment.ex_ante:
        yield Known(part="ex_ante", unit=fixed.symbol_unit, value=fixed.converted, **_common(fixed))
    for row in segment.monitored:
        yield Known(part="monitored", unit=row.unit, value=row.corrected, **_common(row))
    for hours in segment.calendar:
        yield Known(part="calendar", unit=hours.unit, value=hours.value, **_common(hours))
    for made in segment.computed:
        yield Known(part="computed", unit=made.unit, value=made.value, **_common(made))


def _common(row: ExAnteRow | MonitoredRow | CalendarRow | ComputedRow) -> dict[str, Any]:
    return {"symbol": row.symbol, "item": row.item, "description": row.description}


def _key(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def said(found: Fault | Iterable[Fault], language: str = "en") -> str:
    """Faults as one text."""
    return what(found, language) if isinstance(found, Fault) else "; ".join(what(one, language) for one in found)


def factor(unit: str) -> Fraction:
    """Coherent units in one `unit`."""
    return units.unit(unit).factor
