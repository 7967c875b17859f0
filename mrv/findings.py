"""An audit's report in words and as JSON: what is wrong, where, what to do next. Judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mrv import period
from mrv.audit import Report, Verdict
from mrv.book import Judgement
from mrv.errors import Fault
from mrv.messages import next_step, sentence, what


def faults_json(faults: Iterable[Fault], language: str = "en") -> list[dict[str, Any]]:
    """Each fault with its code and parameters for a script, and its words for whoever reads the script's output."""
    return [
        {
            "code": found.code,
            "where": found.where,
            "params": found.params,
            "what": what(found, language),
            "next": next_step(found, language),
        }
        for found in faults
    ]


def report_json(report: Report, language: str = "en") -> dict[str, Any]:
    """The report as plain values; instants are UTC ms."""
    return {
        "origin": report.origin,
        "size": report.size,
        "received": report.received,
        "clean": report.clean,
        "findings": faults_json(report.findings, language),
        "summaries": [_summary_json(judgement, verdict, language) for judgement, verdict in report.verdicts],
    }


def _summary_json(judgement: Judgement, verdict: Verdict, language: str) -> dict[str, Any]:
    summary = judgement.summary
    return {
        "seq": summary.seq,
        "from": summary.start,
        "to": summary.end,
        "digest": judgement.digest,
        "admitted": verdict.admitted,
        "reasons": faults_json(verdict.reasons, language),
    }


def lines(report: Report, language: str = "en") -> Iterator[str]:
    """The report as a person reads it."""
    admitted = sum(verdict.admitted for _, verdict in report.verdicts)
    yield f"{report.origin}: {report.size} leaves, {report.received} behind a receipt"
    yield f"{len(report.verdicts)} summaries, {admitted} admitted, {len(report.verdicts) - admitted} quarantined"
    for found in report.findings:
        yield f"finding: {sentence(found, language)}"
    for judgement, verdict in report.verdicts:
        if not verdict.admitted:
            start = period.shown(judgement.summary.start)
            yield f"quarantined: summary {judgement.summary.seq} from {start}"
            yield from (f"  {sentence(reason, language)}" for reason in verdict.reasons)
    yield "clean" if report.clean else "NOT clean"
