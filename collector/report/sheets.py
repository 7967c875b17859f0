"""The report's pages in the order a reader turns them; the order of making differs, because formulas name cells."""

from __future__ import annotations

from collector.report import calculation, evidence, front, inputs, metering, quality
from collector.report.cells import Page
from collector.report.frame import Frame
from collector.report.material import Material
from mrv import leaf
from mrv.crediting.result import canonical


def lay_out(material: Material, languages: tuple[str, ...] = ("en", "vi", "ja")) -> tuple[Page, ...]:
    """Every page of the report. Equal material gives equal pages."""
    frame = Frame(crediting=material.crediting, languages=languages)
    ledger, fixed, monitored = inputs.ledger(frame), inputs.fixed(frame), inputs.monitored(frame)
    figures = calculation.calculation(frame)
    return (
        front.summary(frame, _facts(material)),
        monitored,
        fixed,
        figures,
        ledger,
        metering.structure(frame, material),
        metering.metering(frame, material),
        quality.calibration(frame, material),
        quality.events(frame, material),
        quality.completeness(frame),
        quality.quality(frame, material),
        quality.cross_checks(frame, material),
        metering.implementation(frame, material),
        evidence.evidence(frame, material),
        evidence.sampling(frame, material),
        front.glossary(frame),
    )


def _facts(material: Material) -> tuple[tuple[str, str], ...]:
    versions = "; ".join(f"{version.digest[:16]}" for version in material.versions)
    return (
        ("plan_versions", versions or "-"),
        ("crediting_digest", leaf.digest(canonical(material.crediting))),
        ("journal_head", material.journal_head or "-"),
        ("software", material.software),
    )
