"""Whatever happened to the meters, credits stay on the safe side of the truth, and the ledger accounts for the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from credit_random import credited, history
from hypothesis import given, settings
from hypothesis import strategies as st

from mrv.crediting.engine import credit
from mrv.crediting.result import canonical

SEEDS = st.integers(0, 2**32)
ROOT = Path(__file__).resolve().parents[2]


@given(SEEDS)
@settings(max_examples=80)
def test_a_loss_free_history_telescopes_to_the_true_energy(seed: int) -> None:
    """Missed readings, straddled year ends and changed factors move quantities between segments, never away."""
    made = history(seed, loss_free=True)
    found = credit(made.evidence)
    for point, truth in made.truth.items():
        for register, flowed in truth.flowed.items():
            if any(t.source == f"{point}:{register}" for t in found.segments[0].monitored[0].terms):
                assert credited(found, f"{point}:{register}") == flowed
    for segment in found.segments:
        assert {line.kind for line in found.ledger} <= {"straddle"}
        assert segment.reduction is not None


@given(SEEDS)
@settings(max_examples=120)
def test_otherwise_credits_bracket_the_truth(seed: int) -> None:
    """Lost and held energy and late calibration: at most the truth where it raises, at least it where it lowers."""
    made = history(seed)
    found = credit(made.evidence)
    for segment in found.segments:
        for row in segment.monitored:
            for term in row.terms:
                lines = [one for one in found.ledger if (one.segment, one.source) == (segment.number, term.source)]
                assert term.raw + sum((line.delta for line in lines), Fraction(0)) == term.corrected
    # One factor all the year: then the direction of a register is one and the same.
    if len(made.evidence.plans) == 1 and all(segment.reduction is not None for segment in found.segments):
        _bracketed(made, found)


def _bracketed(made: object, found: object) -> None:
    for row in found.segments[0].monitored:  # type: ignore[attr-defined]
        for term in row.terms:
            truth = made.truth[term.point]  # type: ignore[attr-defined]
            raises = (row.direction == "raises") == (term.sign > 0)
            if row.direction == "neither":
                continue
            have, flowed = credited(found, term.source), truth.flowed[term.register]  # type: ignore[arg-type]
            assert have <= flowed if raises else have >= flowed, term.source


@given(SEEDS)
@settings(max_examples=25)
def test_the_order_in_which_evidence_comes_changes_nothing(seed: int) -> None:
    made = history(seed).evidence
    turned = type(made)(
        project=made.project,
        start=made.start,
        end=made.end,
        plans=made.plans[::-1],
        sealed=tuple(sorted(made.sealed, key=lambda one: one.digest)),
        papers=made.papers,
        methodologies=dict(reversed(made.methodologies.items())),
    )
    assert canonical(credit(made)) == canonical(credit(turned))


def digests(count: int, **more: str) -> list[str]:
    command = [sys.executable, str(ROOT / "tests" / "credit_random.py"), "0", str(count)]
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_same_in_every_process(count: int) -> None:
    """Hash seed, locale and time zone change no byte of any crediting."""
    one = digests(count, PYTHONHASHSEED="1", LC_ALL="C", TZ="UTC")
    two = digests(count, PYTHONHASHSEED="4242", LC_ALL="vi_VN.UTF-8", LANGUAGE="ja", TZ="America/New_York")
    assert one == two
    assert len(one) == count
    assert len(set(one)) > count * 0.9
