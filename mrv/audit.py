"""The one judge: leaves, checkpoints and approvals -> findings.

`admit` is the verdict on one summary, used by the collector as bundles arrive and by the auditor offline; `audit`
repeats the whole of receiving and admitting for an exported log. It reads no files and trusts nobody's arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from mrv import known
from mrv.book import Book, Judgement, Terms
from mrv.errors import Fault, MrvError, fault
from mrv.leaf import Genesis
from mrv.log.checkpoint import Checkpoint, cosigned, open_checkpoint, peek
from mrv.log.merkle import EMPTY, leaf_hash
from mrv.log.note import VerifyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Digests of the plans and bindings, and of the profiles and methodologies of its own, that the office approved for
    this site."""

    plans: frozenset[str]
    bindings: frozenset[str]
    profiles: frozenset[str] = frozenset()
    methodologies: frozenset[str] = frozenset()


#: Reasons that say nothing against the account: with these alone, the summary is what its readings give.
CONDITIONS = frozenset(
    {
        "audit.plan_not_approved",
        "audit.binding_not_approved",
        "audit.plan_and_binding",
        # The figures of a methodology that nobody released are indicative of nothing, at the site and here alike.
        "audit.methodology_unknown",
        "audit.not_commissioned",
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
    #: POSIX seconds at which the collector signed the newest receipt; None without one.
    received_at: int | None = None
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
    for meter, profile in judgement.uncompared:
        yield fault("audit.not_commissioned", where, meter=meter, profile=profile)


def _strange(terms: Terms, approvals: Approvals, where: str) -> Iterable[Fault]:
    """What of one configuration nobody but the site vouches for."""
    config = terms.config
    approved = config.plan in approvals.plans, config.binding in approvals.bindings
    if not approved[0]:
        yield fault("audit.plan_not_approved", where, digest=config.plan)
    if not approved[1]:
        yield fault("audit.binding_not_approved", where, digest=config.binding)
    for name in sorted({bound.profile for bound in terms.binding.meters} if terms.binding else ()):
        digest = config.profiles.get(name, "")
        if not known.trusted(name, digest, terms.profiles.get(name), approvals.profiles):
            why = known.WITHDRAWN.get(digest, "")
            yield fault(
                "audit.profile_withdrawn" if why else "audit.profile_unknown",
                where,
                profile=name,
                digest=digest,
                why=why,
            )
    for name in sorted({project.methodology for project in terms.plan.projects} if terms.plan else ()):
        digest = config.methodologies.get(name, "")
        own = digest in approvals.methodologies and digest not in known.WITHDRAWN
        if not own and not known.methodology(name, digest):
            why = known.WITHDRAWN.get(digest, "")
            yield fault(
                "audit.methodology_withdrawn" if why else "audit.methodology_unknown",
                where,
                methodology=name,
                digest=digest,
                why=why,
            )
    # Each was approved; that they fit each other may never have been asked.
    for place, problem in (*(terms.misfits if all(approved) else ()), *terms.unsettled):
        yield fault("audit.plan_and_binding", where, place=place, problem=problem)


def _unacceptable(judgement: Judgement) -> Iterable[Fault]:
    summary, plan = judgement.summary, judgement.plan
    where = f"seq {summary.seq}"
    if plan is None:
        return
    if summary.clock not in plan.clock:
        yield fault("audit.clock_not_accepted", where, clock=summary.clock.value, accepted=", ".join(plan.clock))
    expected = summary.expected - sum(usage.asleep for usage in judgement.usages)
    if Decimal(summary.read) < plan.min_coverage * expected:
        yield fault("audit.coverage_too_low", where, read=summary.read, expected=expected, least=plan.min_coverage)


def audit(evidence: SiteEvidence) -> Report:
    """Judge an exported log from the first leaf to the last. Never raises on what the evidence says."""
    findings: list[Fault] = []
    verdicts: list[tuple[Judgement, Verdict]] = []
    wanted = _claimed(evidence, findings)
    receipt, received_at = _received(evidence, findings)
    book, tree, same = Book(approved=evidence.approvals.profiles), EMPTY, dict[int, bool]()
    for data in evidence.leaves:
        tree = tree.append(leaf_hash(data))
        if tree.size in wanted:
            same[tree.size] = wanted[tree.size] == {tree.root()}
        judgement = book.add(data)
        if judgement is not None:
            verdicts.append((judgement, admit(judgement, evidence.approvals)))
    findings += _differing(same)
    findings += book.open_findings
    if (newest := max(wanted, default=0)) > tree.size:
        findings.append(fault("audit.leaves_missing", size=newest, held=tree.size))
    findings += foreign(book.genesis, evidence.site_key)
    received = receipt.size if receipt else 0
    if tree.size > received:
        findings.append(fault("audit.beyond_receipt", size=tree.size, received=received))
    return Report(
        origin=evidence.site_key.name,
        size=tree.size,
        received=received,
        received_at=received_at,
        findings=tuple(findings),
        verdicts=tuple(verdicts),
    )


def _claimed(evidence: SiteEvidence, findings: list[Fault]) -> dict[int, set[bytes]]:
    """Size -> roots that the site signed, over all its checkpoints and the receipt; bad signatures are findings."""
    wanted: dict[int, set[bytes]] = {}
    bad: list[Fault] = []
    notes = [(f"checkpoint {_size_of(note)}", note) for note in evidence.checkpoints]
    for where, note in (*notes, ("receipt", evidence.receipt)):
        try:
            checkpoint = open_checkpoint(note, evidence.site_key)
        except MrvError as error:
            bad += [Fault(found.code, where, found.params) for found in error.faults]
        else:
            wanted.setdefault(checkpoint.size, set()).add(checkpoint.root)
    findings += bad
    forks = [size for size, roots in sorted(wanted.items()) if len(roots) > 1]
    findings += [fault("audit.fork", evidence.site_key.name, size=size) for size in forks]
    return wanted


def _size_of(note: str) -> str:
    """The size a note claims to be of, whoever signed it."""
    try:
        return str(peek(note).size)
    except MrvError:
        return "?"


def _received(evidence: SiteEvidence, findings: list[Fault]) -> tuple[Checkpoint | None, int | None]:
    """The checkpoint of the newest receipt and when it was cosigned, if the cosignature holds."""
    try:
        at = cosigned(evidence.receipt, evidence.cosigners)
        return open_checkpoint(evidence.receipt, evidence.site_key), at
    except MrvError as error:
        known = {(found.code, tuple(found.params.items())) for found in findings}
        findings += [found for found in error.faults if (found.code, tuple(found.params.items())) not in known]
        return None, None


def _differing(same: dict[int, bool]) -> Iterator[Fault]:
    """Where the leaves stop being those the site signed: once for each stretch, for every root behind one differs too.

    `same`: of each size the site signed, in order, whether the leaves held give that root.
    """
    sound, broken = 0, list[int]()
    for size, good in (*same.items(), (0, True)):
        if not good:
            broken.append(size)
            continue
        if broken:
            first, last = broken[0], broken[-1]
            yield fault("audit.root_differs", size=first, sound=sound, end=first - 1, upto=last, count=len(broken))
        sound, broken = size, []


def foreign(genesis: Genesis | None, key: VerifyKey) -> Iterable[Fault]:
    """Whether the log says of itself that it belongs to another origin or key, or says nothing."""
    if genesis is None:
        yield fault("audit.no_genesis", key.name)
    elif (genesis.origin, genesis.key) != (key.name, key.text):
        yield fault("audit.genesis_differs", key.name, origin=genesis.origin)
