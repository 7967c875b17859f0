"""The office's journal under audit: its chain, its records, its papers, and what the manifest says of it.

The chain proves order and that nothing was altered since a head somebody wrote down; it cannot prove that an office
which rewrote everything did not. That is why an auditor gives the head from an earlier visit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from mrv import journal, leaf, redecode
from mrv.errors import Fault, fault
from mrv.journal import Journal
from mrv.manifest import Manifest
from mrv.messages import text
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology
from verify.folder import Exported


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What was found of the journal: `named` papers by SHA-256, of which `kept` lie in the export."""

    journal: Journal
    named: int
    kept: int
    findings: tuple[Fault, ...]


def judged(exported: Exported, site: str, known_heads: Sequence[str]) -> Papers:
    """Read the journal again; compare it with the manifest, and with heads known from elsewhere: one has to be its."""
    lines = exported.journal()
    found = journal.read(lines, site)
    kept = exported.papers(sorted(found.papers))
    says = exported.manifest
    findings = [*found.findings, *_head(says, found), *_approvals(says, found)]
    findings += redecode.fixes(found.standing, found.changes)[1]
    if known_heads and not set(known_heads) & {leaf.digest(line) for line in lines}:
        findings.append(fault("verify.journal_rewritten", says.origin, head=", ".join(known_heads)))
    return Papers(journal=found, named=len(found.papers), kept=kept, findings=tuple(findings))


def comparisons(exported: Exported, found: Journal, language: str) -> Iterator[str]:
    """Who compared which methodology with which approved text, and whether it is the one that is computed with."""
    known = {leaf.digest(leaf.canonical(one)) for one in (*own(found), *catalogue.library().values())}
    for digest, said in found.compared.items():
        pdf = said.get("pdf", "")
        told = {
            "person": said.get("person", "?"),
            "name": said.get("name", "?"),
            "digest": digest[:16],
            "pdf": pdf[:16],
            "kept": text("verify.pdf_kept" if exported.has(pdf) else "verify.pdf_not_kept", language),
        }
        yield text("verify.compared" if digest in known else "verify.compared_other", language, **told)


def own(book: Journal) -> Iterator[Methodology]:
    """Methodologies that the office approved for this site, as its journal carries them; ours go before them.

    One that cannot be read is not among them: whatever needs it says that nobody knows it.
    """
    for line in book.changes:
        if line.what == "methodology":
            with suppress(msgspec.MsgspecError):
                yield msgspec.json.decode(line.detail.get("body", ""), type=Methodology)


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
