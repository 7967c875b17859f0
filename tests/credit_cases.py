"""A case of crediting as files: `plan*.yaml`, `history.yaml` (what the meters sealed, what the office recorded)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import schema_walk
from msgspec.structs import replace

from drivers.profiles import library
from mrv import events, leaf, plan, records
from mrv.binding import BoundMeter, Settings
from mrv.crediting.sealed import Evidence, Sealed, redecoded
from mrv.leaf import MeterEvent, Usage, UsedRegister
from mrv.methodology import catalogue
from mrv.number import exact_difference
from mrv.period import in_ms
from mrv.plan.versions import ApprovedPlan
from mrv.profile import MEASURANDS
from mrv.reading import ClockState
from mrv.redecode import Again, Fix

CASES = Path(__file__).resolve().parent / "cases"


@dataclass(frozen=True)
class Held:
    """A record with the digest that names it."""

    record: records.AnyRecord
    digest: str


def ms(text: Any) -> int:
    """UTC ms of an instant with its offset."""
    return in_ms(text if isinstance(text, datetime) else datetime.fromisoformat(text))


def sealed(meters: dict[str, BoundMeter], entry: dict[str, Any]) -> Sealed:
    """One usage: `from`, `to`, where registers stood (`opened`, `closed`) and their openings and closings.

    `steps` are decisions of mrv.counter: verdict, why, from, to, and the registers `before` and `after`. What they
    moved a register by is no energy, unless only the ratio changed.
    """
    start, end = ms(entry["from"]), ms(entry["to"])
    steps = entry.get("steps", [])
    apart = [one for one in steps if one["verdict"] != "ratio"]
    registers = {
        MEASURANDS[name].obis: _register(found, [(one["before"][name], one["after"][name]) for one in apart])
        for name, found in entry.items()
        if name in MEASURANDS
    }
    step = meters[entry["meter"]].every * 1000
    usage = Usage(
        meter=meters[entry["meter"]].meter,
        config=0,
        start=start,
        end=end,
        expected=(end - start) // step,
        read=(end - start) // step - int(entry.get("gap", 0)),
        gap=int(entry.get("gap", 0)),
        asleep=int(entry.get("asleep", 0)),
        opened=ms(entry.get("opened", entry["from"])),
        closed=ms(entry.get("closed", entry["to"])),
        registers=registers,
        flags=tuple(entry.get("flags", ())),
        lost=sum(ms(one["to"]) - ms(one["from"]) for one in apart),
        holds={why: ms(since) for why, since in entry.get("holds", {}).items()},
    )
    decisions = tuple(_decision(usage, one) for one in steps)
    bound = meters[entry["meter"]]
    return Sealed(usage=usage, bound=bound, digest=leaf.digest(leaf.encode(usage)), decisions=decisions)


def again(entry: dict[str, Any], one: Sealed, fix: Fix) -> Again:
    """What the raw words of a usage say by the right text: `again` with its registers; without any, they do not."""
    registers = {MEASURANDS[name].obis: _register(found, []) for name, found in entry["again"].items()}
    return Again(fix=fix, usage=replace(one.usage, registers=registers) if registers else None)


def _register(found: list[str], jumps: list[tuple[str, str]]) -> UsedRegister:
    moved = exact_difference(str(found[1]), str(found[0]))
    jumped = sum((exact_difference(str(after), str(before)) for before, after in jumps), Decimal(0))
    return UsedRegister(
        opening=str(found[0]), closing=str(found[1]), used=str(moved - jumped), jumped=str(jumped) if jumps else None
    )


def _decision(usage: Usage, step: dict[str, Any]) -> MeterEvent:
    sides = {
        f"{side}.{MEASURANDS[name].obis}": str(value)
        for side in ("before", "after")
        for name, value in step[side].items()
    }
    said = {
        "verdict": step["verdict"],
        "why": step.get("why", ""),
        "from": str(ms(step["from"])),
        "to": str(ms(step["to"])),
    }
    return MeterEvent(
        boot=1,
        boottime=1,
        ts=usage.end,
        clock=ClockState.SYNCHRONISED,
        meter=usage.meter,
        config=0,
        event=events.DECISION,
        details=said | sides,
    )


def bound(entry: dict[str, Any]) -> BoundMeter:
    settings = Settings(ratio=entry["ratio"]) if "ratio" in entry else Settings()
    return BoundMeter(
        meter=entry["meter"],
        point=entry["point"],
        profile="any",
        every=60,
        serial=entry.get("serial"),
        settings=settings,
    )


def papers(text: str, site: str) -> tuple[Held, ...]:
    """The records of a history, which leaves out what all of them share."""
    data = schema_walk.loaded(text).get("records", [])
    common = {"site": site, "who": "MRV officer"}
    found = records.load(schema_walk.dumped([common | one for one in data]), "records").value if data else ()
    return tuple(Held(one, records.digest(one)) for one in found)


def _usages(meters: dict[str, BoundMeter], entries: list[dict[str, Any]], held: tuple[Held, ...]) -> tuple[Sealed, ...]:
    """The usages of a history; those with `again` by the fix among the records."""
    found = [sealed(meters, entry) for entry in entries]
    told = [(one, entry) for one, entry in zip(found, entries, strict=True) if "again" in entry]
    if not told:
        return tuple(found)
    (fix,) = [
        Fix(record=one.record, digest=one.digest, profile=library()["eastron_sdm630"])
        for one in held
        if isinstance(one.record, records.DecoderFix)
    ]
    return redecoded(found, {one.digest: again(entry, one, fix) for one, entry in told})


def evidence(folder: Path) -> Evidence:
    """What the case at `folder` is credited from."""
    own = [catalogue.load(path.read_text(), path.name) for path in folder.glob("methodology*.yaml")]
    known = catalogue.library() | catalogue.by_name(own)
    text = (folder / "history.yaml").read_text()
    history = schema_walk.loaded(text)
    plans = [
        plan.load(path.read_text(), path.name, known.__getitem__).value for path in sorted(folder.glob("plan*.yaml"))
    ]
    held = papers(text, plans[0].site)
    meters = {entry.get("key", entry["meter"]): bound(entry) for entry in history.get("meters", [])}
    return Evidence(
        project=history.get("project", "p"),
        start=ms(history["window"][0]),
        end=ms(history["window"][1]),
        plans=tuple(ApprovedPlan(plan=p, digest=leaf.digest(leaf.canonical(p)), at=n) for n, p in enumerate(plans)),
        sealed=_usages(meters, history.get("usages", []), held),
        papers=held,
        methodologies=known,
    )
