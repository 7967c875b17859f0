"""A monitoring report under audit: computed again from the exported logs of its site, journal and plans, and compared
whole.

Nothing is taken from the report but what it claims to cover. Only usages of summaries this audit admitted count, and
records up to the journal's head that the report names. Equal means equal in every figure, ledger line and reason.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mrv import journal, leaf, redecode
from mrv.book import Judgement
from mrv.crediting.engine import credit
from mrv.crediting.result import Crediting, canonical
from mrv.crediting.sealed import Evidence, Sealed, redecoded
from mrv.errors import BadInput, Fault, fault, raise_all
from mrv.journal import Journal
from mrv.methodology import catalogue
from mrv.plan import MonitoringPlan
from mrv.plan.versions import ApprovedPlan
from mrv.redecode import Again
from verify.folder import bounded
from verify.logs import Log
from verify.records import own

MAX_REPORT = 256 * 1024 * 1024


class LogBasis(msgspec.Struct, frozen=True, kw_only=True):
    """A log as the report was made from it."""

    origin: str
    size: int
    root: str


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What a report was made from: the head of the journal and the logs."""

    journal: str
    logs: tuple[LogBasis, ...]


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A report as `mrv-collector report --out FILE.json` writes it. `crediting` is absent in a public copy."""

    crediting: dict[str, Any] | None
    basis: Basis | None


def load(path: Path) -> Claimed:
    """Raises BadInput for what is no report, or a public copy of one."""
    try:
        claimed = msgspec.json.decode(bounded(path, MAX_REPORT), type=Claimed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(fault("verify.report_malformed", str(path), problem=error)) from error
    if claimed.crediting is None or claimed.basis is None:
        raise BadInput(fault("verify.report_public", str(path)))
    return claimed


def check(claimed: Claimed, logs: Sequence[Log], path: str) -> tuple[Fault, ...]:
    """What of the report is not what these logs give. Never raises on what either says."""
    says, basis = claimed.crediting or {}, claimed.basis
    if basis is None:
        return (fault("verify.report_public", path),)
    found = tuple(_other_basis(basis, logs, path))
    if found:
        return found
    site = str(says.get("site", ""))
    mine = sorted((log for log in logs if log.site == site), key=lambda log: log.epoch)
    lines = max((log.exported.journal() for log in mine), key=len, default=())
    heads = [leaf.digest(line) for line in lines]
    if basis.journal and basis.journal not in heads:
        return (fault("verify.journal_rewritten", path, head=basis.journal),)
    upto = heads.index(basis.journal) + 1 if basis.journal else 0
    try:
        again = credit(_evidence(says, mine, journal.read(lines[:upto], site)))
    except BadInput as error:
        return tuple(Fault(f.code, f"{path} {f.where}".strip(), f.params) for f in error.faults)
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        return (fault("verify.report_malformed", path, problem=error),)
    return tuple(_differences(says, again, path))


def _other_basis(basis: Basis, logs: Sequence[Log], path: str) -> Iterator[Fault]:
    held = {log.report.origin: log.exported.manifest.size for log in logs}
    counted = {log.origin: log.size for log in basis.logs if log.size}
    if missing := sorted(set(counted) - set(held)):
        yield fault("verify.report_other_logs", path, logs=", ".join(missing))
    for origin, size in counted.items():
        if origin in held and size != held[origin]:
            yield fault("verify.report_other_size", path, report=size, exported=held[origin])
    if not counted:
        yield fault("verify.report_other_size", path, report=0, exported=sum(held.values()))


def _evidence(says: dict[str, Any], logs: Sequence[Log], book: Journal) -> Evidence:
    start, end = int(says["start"]), int(says["end"])
    sealed = [one for judged in _admitted(logs, start, end) for one in _sealed(judged)]
    return Evidence(
        project=str(says["project"]),
        start=start,
        end=end,
        plans=tuple(_plans(logs, book)),
        sealed=redecoded(sealed, _again(logs, book, end)),
        papers=book.standing,
        methodologies=catalogue.by_name([*own(book), *catalogue.library().values()]),
        verified=frozenset(book.compared),
    )


def _again(logs: Sequence[Log], book: Journal, until: int) -> dict[str, Again]:
    """What was read with a profile that turned out wrong, decoded again. Raises BadInput for a record that nobody can
    follow."""
    fixes, faults = redecode.fixes(book.standing, book.changes)
    raise_all(faults)
    found: dict[str, Again] = {}
    for log in logs:
        terms = (one for judged, _ in log.report.verdicts for one in judged.terms)
        if redecode.concerns(fixes, (digest for one in terms for digest in one.config.profiles.values())):
            found |= redecode.again(log.exported.leaves(), fixes, until)
    return found


def _plans(logs: Sequence[Log], book: Journal) -> Iterator[ApprovedPlan]:
    """Every approved plan whose text lies in the newest export, dated by the journal."""
    for digest, at in book.approved("plan").items():
        body = logs[-1].exported.plan(digest)
        if body is not None:
            yield ApprovedPlan(plan=msgspec.json.decode(body, type=MonitoringPlan), digest=digest, at=at)


def _admitted(logs: Sequence[Log], start: int, end: int) -> Iterator[Judgement]:
    """The summaries that count in [start, end): of two keys for one moment the earlier one's, as at the office."""
    taken: list[tuple[int, int]] = []
    for log in logs:
        mine = [judged for judged, verdict in log.report.verdicts if verdict.admitted]
        free = [one for one in mine if not _overlaps(one.summary.start, one.summary.end, taken)]
        taken += [(one.summary.start, one.summary.end) for one in free]
        yield from (one for one in free if one.summary.start < end and one.summary.end > start)


def _overlaps(start: int, end: int, taken: Sequence[tuple[int, int]]) -> bool:
    """Whether a moment of [start, end) lies in one of the spans `taken`, which are in order and apart."""
    at = bisect_left(taken, end, key=lambda span: span[0])
    return at > 0 and taken[at - 1][1] > start


def _sealed(judgement: Judgement) -> Iterator[Sealed]:
    bound = {
        (terms.config.number, one.meter): one
        for terms in judgement.terms
        for one in (terms.binding.meters if terms.binding else ())
    }
    for usage in judgement.usages:
        if (key := (usage.config, usage.meter)) in bound:
            yield Sealed(
                usage=usage,
                bound=bound[key],
                digest=leaf.digest(leaf.encode(usage)),
                decisions=tuple(one for one in judgement.decisions if (one.config, one.meter) == key),
            )


def _differences(says: dict[str, Any], again: Crediting, path: str) -> Iterator[Fault]:
    mine = json.loads(canonical(again))
    for where, theirs, ours in _unequal(says, mine, ""):
        yield fault("verify.report_differs", path, figure=where, report=theirs, recomputed=ours)


def _unequal(one: Any, other: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """The places where two documents differ, deepest first met; values as short texts."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from _unequal(one.get(name), other.get(name), f"{where}.{name}" if where else name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _unequal(left, right, f"{where}[{number}]")
    elif one != other:
        yield where, json.dumps(one)[:120], json.dumps(other)[:120]
