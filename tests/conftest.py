"""Shared by all tests: the list of real programs that were missing, printed at the end of the run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import real


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parents[1]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if real.missing:
        terminalreporter.section("real programs missing: their tests were skipped")
        for program, package in sorted(real.missing.items()):
            terminalreporter.line(f"{program}: {package}")
