"""The one judge: leaves, checkpoints and approvals -> findings.

`admit` is the verdict on one summary, used by the collector as bundles arrive and by the auditor offline; `audit`
repeats the whole of receiving and admitting for an exported log. It reads no files and trusts nobody's arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mrv import known
from mrv.book import Book, Judgement, Terms
from mrv.errors import Fault, MrvError, fault
from mrv.leaf import Genesis
from mrv.log.checkpoint import Checkpoint, cosigned, open_checkpoint
from mrv.log.merkle import EMPTY, Frontier, leaf_hash
from mrv.log.note import VerifyKey
from mrv.plan import check_against


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Digests of the plans and bindings that the office approved for this site."""

    plans: frozenset[str]
    bindings: frozenset[str]


#: Reasons that say nothing against the account: with these alone, the summary is what its readings give.
CONDITIONS = frozenset(
    {
        "audit.plan_not_approved",
        "audit.binding_not_approved",
        "audit.plan_and_binding",
        "audit.clock_not_accepted",
        "audit.coverage_too_low",
        "audit.genesis_differs",
        "audit.no_genesis",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a summary counts. `reasons` is empty exactly when it is admitted."""

    reasons: tuple[Fault, ...]

    @property
    def admitted(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEvidence:
    """What an auditor holds of one log. `checkpoints` are the site's notes, `receipt` the newest cosigned one."""

    site_key: VerifyKey
    cosigners: tuple[VerifyKey, ...]
    leaves: Iterable[bytes]
    checkpoints: tuple[str, ...]
    receipt: str
    approvals: Approvals


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the audit of one log found. `findings` are about the log, reasons for quarantine stand in the verdicts."""

    origin: str
    size: int
    received: int
    findings: tuple[Fault, ...]
    verdicts: tuple[tuple[Judgement, Verdict], ...]

    @property
    def clean(self) -> bool:
        """No finding, and every summary admitted."""
        return not self.findings and all(verdict.admitted for _, verdict in self.verdicts)


def admit(judgement: Judgement, approvals: Approvals) -> Verdict:
    """The verdict on one summary: recomputed and equal, approved, acceptable clock and coverage."""
    return Verdict(reasons=(*judgement.findings, *_unapproved(judgement, approvals), *_unacceptable(judgement)))


def _unapproved(judgement: Judgement, approvals: Approvals) -> Iterable[Fault]:
    where = f"seq {judgement.summary.seq}"
    if judgement.config is None:
        yield fault("audit.no_config", where)
        return
    found: list[Fault] = []
    for terms in judgement.terms:
        found += [strange for strange in _strange(terms, approvals, where) if strange not in found]
    yield from found


def _strange(terms: Terms, approvals: Approvals, where: str) -> Iterable[Fault]:
    """What of one configuration nobody but the site vouches for."""
    config = terms.config
    approved = config.plan in approvals.plans, config.binding in approvals.bindings
    if not approved[0]:
        yield fault("audit.plan_not_approved", where, digest=config.plan)
    if not approved[1]:
        yield fault("audit.binding_not_approved", where, digest=config.binding)
    for name in sorted({bound.profile for bound in terms.binding.meters} if terms.binding else ()):
        if not known.profile(name, digest := config.profiles.get(name, "")):
            yield fault("audit.profile_unknown", where, profile=name, digest=digest)
    for name in sorted({project.methodology for project in terms.plan.projects} if terms.plan else ()):
        if not known.methodology(name, digest := config.methodologies.get(name, "")):
            yield fault("audit.methodology_unknown", where, methodology=name, digest=digest)
    if all(approved) and terms.plan and terms.binding:
        # Each was approved; that they fit each other may never have been asked.
        for misfit in check_against(terms.plan, terms.binding):
            yield fault("audit.plan_and_binding", where, place=misfit.where, problem=misfit.code)


def _unacceptable(judgement: Judgement) -> Iterable[Fault]:
    summary, plan = judgement.summary, judgement.plan
    where = f"seq {summary.seq}"
    if plan is None:
        return
    if summary.clock not in plan.clock:
        yield fault("audit.clock_not_accepted", where, clock=summary.clock.value, accepted=", ".join(plan.clock))
    if Decimal(summary.read) < plan.min_coverage * summary.expected:
        yield fault(
            "audit.coverage_too_low", where, read=summary.read, expected=summary.expected, least=plan.min_coverage
        )


def audit(evidence: SiteEvidence) -> Report:
    """Judge an exported log from the first leaf to the last. Never raises on what the evidence says."""
    findings: list[Fault] = []
    verdicts: list[tuple[Judgement, Verdict]] = []
    wanted = _claimed(evidence, findings)
    receipt = _received(evidence, findings)
    book, tree = Book(), EMPTY
    for data in evidence.leaves:
        tree = tree.append(leaf_hash(data))
        _compare(tree, wanted, findings)
        judgement = book.add(data)
        if judgement is not None:
            verdicts.append((judgement, admit(judgement, evidence.approvals)))
    findings += book.open_findings
    findings += [
        fault("audit.leaves_missing", size=size, held=tree.size) for size in sorted(wanted) if size > tree.size
    ]
    findings += foreign(book.genesis, evidence.site_key)
    received = receipt.size if receipt else 0
    if tree.size > received:
        findings.append(fault("audit.beyond_receipt", size=tree.size, received=received))
    return Report(
        origin=evidence.site_key.name,
        size=tree.size,
        received=received,
        findings=tuple(findings),
        verdicts=tuple(verdicts),
    )


def _claimed(evidence: SiteEvidence, findings: list[Fault]) -> dict[int, set[bytes]]:
    """Size -> roots that the site signed, over all its checkpoints and the receipt; bad signatures are findings."""
    wanted: dict[int, set[bytes]] = {}
    for note in (*evidence.checkpoints, evidence.receipt):
        try:
            checkpoint = open_checkpoint(note, evidence.site_key)
        except MrvError as error:
            findings += error.faults
            continue
        roots = wanted.setdefault(checkpoint.size, set())
        roots.add(checkpoint.root)
        if len(roots) > 1:
            findings.append(fault("audit.fork", evidence.site_key.name, size=checkpoint.size))
    return wanted


def _received(evidence: SiteEvidence, findings: list[Fault]) -> Checkpoint | None:
    """The checkpoint of the newest receipt, if its cosignature holds."""
    try:
        cosigned(evidence.receipt, evidence.cosigners)
        return open_checkpoint(evidence.receipt, evidence.site_key)
    except MrvError as error:
        findings += [f for f in error.faults if f not in findings]
        return None


def _compare(tree: Frontier, wanted: dict[int, set[bytes]], findings: list[Fault]) -> None:
    """At each size the site signed, the root of the leaves held must be the root it signed."""
    if tree.size in wanted and wanted[tree.size] != {tree.root()}:
        findings.append(fault("audit.root_differs", size=tree.size, recomputed=tree.root().hex()[:16]))


def foreign(genesis: Genesis | None, key: VerifyKey) -> Iterable[Fault]:
    """Whether the log says of itself that it belongs to another origin or key, or says nothing."""
    if genesis is None:
        yield fault("audit.no_genesis", key.name)
    elif (genesis.origin, genesis.key) != (key.name, key.text):
        yield fault("audit.genesis_differs", key.name, origin=genesis.origin)
