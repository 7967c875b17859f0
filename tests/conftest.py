"""Shared by all tests: the list of real programs that were missing, printed at the end of the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

import real

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="session")
def own_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lines of the tests, and of the programs they start, are locked in a folder of this run."""
    before = os.environ.get("MRV_LOCK_DIR")
    os.environ["MRV_LOCK_DIR"] = str(tmp_path_factory.mktemp("locks"))
    yield
    os.environ.pop("MRV_LOCK_DIR")
    if before is not None:
        os.environ["MRV_LOCK_DIR"] = before


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A slow test that names no limit of its own may take ten minutes: machines are shared."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if real.missing:
        terminalreporter.section("real programs missing: their tests were skipped")
        for program, package in sorted(real.missing.items()):
            terminalreporter.line(f"{program}: {package}")
