"""The units as systemd rates them, and what they name exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from real import need

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = ["mrv-agent.service", "mrv-collector.service"]


@pytest.mark.real
@pytest.mark.parametrize("unit", UNITS)
def test_the_sandbox_is_rated_at_most_1_5(unit: str) -> None:
    command = [
        need("systemd-analyze"),
        "security",
        "--offline=true",
        "--threshold=15",
        "--no-pager",
        str(DEPLOY / unit),
    ]
    rated = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout[-400:] + rated.stderr
    assert re.search(r"exposure level .*: [01]\.\d OK", rated.stdout)


@pytest.mark.real
def test_the_rating_bites() -> None:
    """The same question about a unit without a sandbox is answered with no."""
    command = [need("systemd-analyze"), "security", "--offline=true", "--threshold=15", "--no-pager"]
    plain = DEPLOY.parent / "tests" / "deploy" / "plain.service"
    assert subprocess.run([*command, str(plain)], capture_output=True, check=False).returncode == 1


@pytest.mark.real
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_every_line(unit: str, tmp_path: Path) -> None:
    """Checked with the program in place of ours, which is not installed here."""
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", (DEPLOY / unit).read_text(), flags=re.M)
    (tmp_path / unit).write_text(re.sub(r"^Documentation=.*$", "", text, flags=re.M))
    found = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in found.stderr.splitlines() if unit in line]
    assert ours == []


@pytest.mark.parametrize("unit", UNITS)
def test_the_daemon_is_watched_by_progress_and_owned_by_nobody_else(unit: str) -> None:
    lines = (DEPLOY / unit).read_text().splitlines()
    assert {"Type=notify", "WatchdogSec=120", "User=mrv", "Restart=always", "UMask=0077"} <= set(lines)
