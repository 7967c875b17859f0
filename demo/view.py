"""What the viewer reads: the explanation above the table, a line per period, the totals. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

#: Lines after which the head of the table is repeated.
PAGE = 20
CAVEAT = "indicative, provisional: not for submission (the emission factors are invented)"
_NOTHING = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One project in one period: energy in kWh, reduction in kg CO2e; None where an input was missing."""

    project: str
    energy: Decimal | None
    reduction: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One period [start, end) in UTC ms, as the office judged it. `reasons`: why it is not admitted.

    `index` is the place of its summary in the log: a receipt over more leaves than that covers it.
    """

    index: int
    start: int
    end: int
    shares: tuple[Share, ...]
    expected: int
    read: int
    verdict: str
    reasons: tuple[str, ...] = ()

    @property
    def admitted(self) -> bool:
        return self.verdict == "admitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the log reaches and how far the office's newest receipt does, in leaves."""

    log: int
    receipt: int


def introduction(period: int, zone: str) -> str:
    """What is going on, for somebody who sees it for the first time. `period` in seconds."""
    return f"""\
A factory, its gateway and the office in town: simulated meters, real programs, all on this machine.

  pv       a 480 kW solar roof, counted by a certified meter; its inverter is read as a cross-check
  chiller  a new chiller, counted by a meter of its own

Every second the gateway reads its meters over Modbus and appends what it read to a log that can only grow. Every
{period} s it closes a period, signs the log as it stands and sends the new part to the office. The office checks the
signature and that nothing it already held was changed or left out, keeps every byte and signs back: that is a RECEIPT.
From then on neither side can alter a reading without being found out. Apart from that the office computes the period
again from the raw register words: only if it arrives at the same figures is the period ADMITTED.

Energy in kWh. Reduction in kg CO2 equivalent,
{CAVEAT}.
Log and receipt in leaves, the entries of the log. Times are the factory's own ({zone}). A line every {period} s:
"""


def head(projects: Sequence[str]) -> str:
    """The two lines above the table and the rule below them."""
    groups = "".join(f" | {project:^19}" for project in projects)
    units = "".join(f" | {'kWh':>9} {'kg CO2e':>9}" for _ in projects)
    first = f"{'period':<19}{groups} | {'readings':>9} | {'log':>7} {'receipt':>7} | verdict"
    second = f"{'':<19}{units} | {'of due':>9} | {'leaves':>7} {'leaves':>7} |"
    return "\n".join((first, second, "-" * len(first)))


def line(period: Period, standing: Standing, zone: tzinfo) -> str:
    """One period."""
    shares = "".join(f" | {_number(share.energy):>9} {_number(share.reduction):>9}" for share in period.shares)
    span = f"{_clock(period.start, zone)} - {_clock(period.end, zone)}"
    reasons = f" ({'; '.join(period.reasons)})" if period.reasons else ""
    read = f"{period.read}/{period.expected}"
    sizes = f"{standing.log:>7} {standing.receipt:>7}"
    return f"{span:<19}{shares} | {read:>9} | {sizes} | {period.verdict}{reasons}"


def totals(periods: Iterable[Period], full: int) -> str:
    """The sums over admitted periods, `full` of which were whole."""
    admitted = [period for period in periods if period.admitted]
    lines = [f"{len(admitted)} periods admitted, {full} of them full"]
    for project in dict.fromkeys(share.project for period in admitted for share in period.shares):
        found = [share for period in admitted for share in period.shares if share.project == project]
        energy = sum((share.energy for share in found if share.energy is not None), Decimal(0))
        reduction = sum((share.reduction for share in found if share.reduction is not None), Decimal(0))
        lines.append(f"  {project:<8} {_number(energy):>10} kWh  {_number(reduction):>10} kg CO2e")
    return "\n".join([*lines, f"  {CAVEAT}"])


def _number(value: Decimal | None) -> str:
    return _NOTHING if value is None else f"{value:,.3f}"


def _clock(ms: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone):%H:%M:%S}"
