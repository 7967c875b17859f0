"""An audit's report in words and as JSON: what is wrong, where, what to do next. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from mrv import period
from mrv.audit import Report, Verdict
from mrv.book import Judgement
from mrv.errors import Fault
from mrv.messages import next_step, sentence, text, what

#: So many faults of a kind are told to a person; the JSON has them all.
FEW = 5

Judged = tuple[Judgement, Verdict]


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
        "received_at": None if report.received_at is None else report.received_at * 1000,
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
    """The report as a person reads it: what is found many times is said once, with the places."""
    admitted = sum(verdict.admitted for _, verdict in report.verdicts)
    at = "" if report.received_at is None else f", signed {period.shown(report.received_at * 1000)}"
    yield f"{report.origin}: {report.size} leaves, {report.received} behind a receipt{at}"
    summaries = [judgement.summary for judgement, _ in report.verdicts]
    span = f", from {period.shown(summaries[0].start)} to {period.shown(summaries[-1].end)}" if summaries else ""
    yield f"{len(summaries)} summaries, {admitted} admitted, {len(summaries) - admitted} quarantined{span}"
    terms = [terms.config for judgement, _ in report.verdicts for terms in judgement.terms]
    yield from dict.fromkeys(f"plan {config.plan}" for config in terms)
    yield from dict.fromkeys(f"binding {config.binding}" for config in terms)
    yield from (f"finding: {said}" for said in _said(report.findings, language))
    for stretch in _stretches(report.verdicts):
        yield from _quarantined(stretch, language)
    yield "clean" if report.clean else "NOT clean"


def _stretches(verdicts: Iterable[Judged]) -> Iterator[list[Judged]]:
    """Summaries in a row that wait for reasons of the same kinds."""
    for codes, stretch in groupby(verdicts, lambda judged: frozenset(reason.code for reason in judged[1].reasons)):
        if codes:
            yield list(stretch)


def _quarantined(stretch: Sequence[Judged], language: str) -> Iterator[str]:
    (first, verdict), (last, _) = stretch[0], stretch[-1]
    one = len(stretch) == 1
    numbers = f"summary {first.summary.seq}" if one else f"summaries {first.summary.seq} to {last.summary.seq}"
    yield f"quarantined: {numbers}, from {period.shown(first.summary.start)} to {period.shown(last.summary.end)}"
    yield from (f"  {said}" for said in _said(verdict.reasons, language))
    if not one:
        yield f"  {text('audit.alike', language, count=str(len(stretch) - 1))}"


def _said(faults: Iterable[Fault], language: str) -> Iterator[str]:
    """Each fault once with the places where it was found, and of each kind not more than FEW."""
    places: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for found in faults:
        places.setdefault((found.code, tuple(found.params.items())), []).append(found.where)
    kinds = Counter(code for code, _ in places)
    told: Counter[str] = Counter()
    for (code, params), wheres in places.items():
        told[code] += 1
        if told[code] <= FEW:
            yield sentence(Fault(code, _places(wheres, language), dict(params)), language)
        elif told[code] == kinds[code]:
            yield text("audit.more_alike", language, count=str(kinds[code] - FEW))


def _places(wheres: Sequence[str], language: str) -> str:
    shown = ", ".join(list(dict.fromkeys(where for where in wheres if where))[:FEW])
    rest = len(wheres) - FEW
    return f"{shown} {text('audit.and_more', language, count=str(rest))}" if rest > 0 else shown
