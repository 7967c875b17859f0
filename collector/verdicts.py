"""How a verdict is stored: at most one admitted summary for any moment of a site, over all its key epochs.

Works inside the caller's transaction; what the verdict is was decided elsewhere (mrv.audit).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from collector.schema import VERDICTS
from mrv.audit import Verdict
from mrv.book import Judgement
from mrv.errors import Fault, fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The verdict on the summary at index `idx` of its log."""

    idx: int
    judgement: Judgement
    verdict: Verdict


def settle(connection: Connection, site: str, origin: str, found: Settlement, at: int) -> Verdict:
    place, judgement, verdict = (origin, found.idx), found.judgement, found.verdict
    summary = judgement.summary
    if verdict.admitted and (other := covering(connection, site, place, summary.start, summary.end)):
        verdict = Verdict(reasons=(fault("collector.period_taken", f"seq {summary.seq}", origin=other),))
    values = {
        "site": site,
        "seq": summary.seq,
        "start": summary.start,
        "end": summary.end,
        "digest": judgement.digest,
        "admitted": int(verdict.admitted),
        "reasons": encode_faults(verdict.reasons),
        "at": at,
    }
    row = (VERDICTS.c.origin == place[0]) & (VERDICTS.c.idx == place[1])
    if connection.execute(update(VERDICTS).where(row).values(values)).rowcount == 0:
        connection.execute(insert(VERDICTS).values(origin=place[0], idx=place[1], **values))
    return verdict


def covering(connection: Connection, site: str, place: tuple[str, int], start: int, end: int) -> str | None:
    """The origin of another admitted summary of the site with a part of [start, end).

    Admitted ones have no moment in common, so only the last that begins before `end` can have one with this.
    """
    last = select(VERDICTS.c.origin, VERDICTS.c.end).where(
        VERDICTS.c.site == site,
        VERDICTS.c.admitted == 1,
        VERDICTS.c.start < end,
        (VERDICTS.c.origin != place[0]) | (VERDICTS.c.idx != place[1]),
    )
    row = connection.execute(last.order_by(VERDICTS.c.start.desc()).limit(1)).first()
    return row.origin if row is not None and row.end > start else None


def encode_faults(faults: Iterable[Fault]) -> str:
    """Faults as JSON, for a column."""
    return json.dumps([{"code": f.code, "where": f.where, "params": f.params} for f in faults], sort_keys=True)


def decode_faults(stored: str) -> tuple[Fault, ...]:
    """What `encode_faults` stored."""
    return tuple(Fault(f["code"], f["where"], f["params"]) for f in json.loads(stored))
