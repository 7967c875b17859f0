"""The office's journal under audit: its chain, its records, its papers, and what the manifest says of it.

The chain proves order and that nothing was altered since a head somebody wrote down; it cannot prove that an office
which rewrote everything did not. That is why an auditor gives the head from an earlier visit.
"""

from __future__ import annotations

from dataclasses import dataclass

from mrv import journal, leaf
from mrv.errors import Fault, fault
from mrv.journal import Journal
from mrv.manifest import Manifest
from mrv.records import papers_of
from verify.folder import Exported


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What was found of the journal: `named` papers by SHA-256, of which `kept` lie in the export."""

    journal: Journal
    named: int
    kept: int
    findings: tuple[Fault, ...]


def judged(exported: Exported, site: str, known_head: str | None) -> Papers:
    """Read the journal again and compare it with the manifest and with a head known from elsewhere."""
    lines = exported.journal()
    found = journal.read(lines, site)
    names = {name for one in found.entries for name in papers_of(one.record)}
    kept = exported.papers(sorted(names))
    says = exported.manifest
    findings = [*found.findings, *_head(says, found), *_approvals(says, found)]
    if known_head is not None and known_head not in {leaf.digest(line) for line in lines}:
        findings.append(fault("verify.journal_rewritten", says.origin, head=known_head))
    return Papers(journal=found, named=len(names), kept=kept, findings=tuple(findings))


def _head(says: Manifest, found: Journal) -> list[Fault]:
    if (says.journal or "") == found.head:
        return []
    return [fault("verify.journal_differs", says.origin, manifest=says.journal or "none", found=found.head or "none")]


def _approvals(says: Manifest, found: Journal) -> list[Fault]:
    """What the manifest calls approved was approved by somebody at some time, and the journal says by whom."""
    if says.journal is None:
        return []
    logged = {line.detail.get("digest") for line in found.changes if line.what in ("approve", "profile", "methodology")}
    return [
        fault("verify.approval_unlogged", says.origin, digest=digest)
        for digest in (*says.plans, *says.bindings, *says.profiles, *says.methodologies)
        if digest not in logged
    ]
