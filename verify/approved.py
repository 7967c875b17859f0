"""Plan and wiring as the project's own papers have them, held against what the office says it approved.

What the office approved is in its manifest; that it approved the right thing only shows against files that came from
somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from mrv import leaf, plan, strict
from mrv.binding import Binding
from mrv.errors import BadInput, Fault, fault
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology
from mrv.plan import MonitoringPlan
from verify.folder import MAX_PLAN, bounded
from verify.logs import Log
from verify.records import own

Kind = Literal["plan", "binding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A paper of the project: "plan" or "binding", its file, its site, and the digest that approves it."""

    kind: Kind
    path: str
    site: str
    digest: str


def brought(plans: Sequence[Path], bindings: Sequence[Path], logs: Sequence[Log]) -> tuple[Brought, ...]:
    """Read them. Raises BadInput with every fault of a file that is none."""
    methods = [*(one for log in logs for one in own(log.papers.journal)), *catalogue.library().values()]
    known = catalogue.among(catalogue.by_name(methods))
    return (
        *(_brought("plan", path, _plan(path, known)) for path in plans),
        *(_brought("binding", path, _binding(path)) for path in bindings),
    )


def _brought(kind: Kind, path: Path, value: MonitoringPlan | Binding) -> Brought:
    return Brought(kind=kind, path=str(path), site=value.site, digest=leaf.digest(leaf.canonical(value)))


def _binding(path: Path) -> Binding:
    try:
        return msgspec.json.decode(bounded(path, MAX_PLAN), type=Binding)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(fault("verify.not_a_binding", str(path), problem=error)) from error


def _plan(path: Path, known: Callable[[str], Methodology]) -> MonitoringPlan:
    """`plan.yaml` as the project wrote it."""
    return plan.load(strict.as_text(bounded(path, MAX_PLAN), str(path)), str(path), known).value


def compared(papers: Sequence[Brought], logs: Sequence[Log]) -> Iterator[Fault]:
    """Papers that the office never approved, and what it approved and the log used that is not among the papers."""
    for paper in papers:
        mine = [log for log in logs if log.site == paper.site]
        held = {digest for log in mine for digest in _approved(paper.kind, log)}
        if paper.digest not in held:
            said = {"kind": paper.kind, "digest": paper.digest, "approved": ", ".join(sorted(held)) or "-"}
            yield fault("verify.paper_not_approved", paper.path, **said)
    for kind in dict.fromkeys(paper.kind for paper in papers):
        given = {paper.digest for paper in papers if paper.kind == kind}
        for log in logs:
            for digest in sorted(_used(kind, log) - given):
                yield fault("verify.paper_not_brought", log.report.origin, kind=kind, digest=digest)


def same(paper: Brought, logs: Sequence[Log]) -> bool:
    """Whether the office approved exactly this paper for its site."""
    return any(paper.digest in _approved(paper.kind, log) for log in logs if log.site == paper.site)


def _approved(kind: Kind, log: Log) -> tuple[str, ...]:
    says = log.exported.manifest
    return says.plans if kind == "plan" else says.bindings


def _used(kind: Kind, log: Log) -> set[str]:
    """The digests under which summaries were admitted."""
    configs = [t.config for judged, verdict in log.report.verdicts if verdict.admitted for t in judged.terms]
    return {config.plan if kind == "plan" else config.binding for config in configs}
