"""How a verdict is stored: at most one admitted summary for any moment of a site, over all its key epochs.

Works inside the caller's transaction; what the verdict is was decided elsewhere (mrv.audit).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from collector.schema import VERDICTS
from mrv.audit import Verdict
from mrv.book import Judgement
from mrv.errors import Fault, fault


def settle(
    connection: Connection, site: str, place: tuple[str, int], judgement: Judgement, verdict: Verdict, at: int
) -> Verdict:
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
    """The origin of another admitted summary of the site with a part of [start, end)."""
    other = select(VERDICTS.c.origin).where(
        VERDICTS.c.site == site,
        VERDICTS.c.admitted == 1,
        VERDICTS.c.start < end,
        VERDICTS.c.end > start,
        (VERDICTS.c.origin != place[0]) | (VERDICTS.c.idx != place[1]),
    )
    return connection.execute(other.limit(1)).scalar_one_or_none()


def encode_faults(faults: Iterable[Fault]) -> str:
    """Faults as JSON, for a column."""
    return json.dumps([{"code": f.code, "where": f.where, "params": f.params} for f in faults], sort_keys=True)


def decode_faults(stored: str) -> tuple[Fault, ...]:
    """What `encode_faults` stored."""
    return tuple(Fault(f["code"], f["where"], f["params"]) for f in json.loads(stored))
