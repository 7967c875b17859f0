"""compose.yaml cannot be run without an engine; what can be known is: its files exist, its commands are commands."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE: dict[str, Any] = YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text())


def test_the_parts_of_an_office_are_there() -> None:
    assert set(COMPOSE["services"]) == {"broker", "database", "collector-1", "collector-2"}
    assert COMPOSE["services"]["broker"]["ports"] == ["8883:8883"], "the one door"
    assert "ports" not in COMPOSE["services"]["database"]


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_files_and_volumes_it_names_exist(name: str) -> None:
    service = COMPOSE["services"][name]
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    if build := service.get("build"):
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", ["collector-1", "collector-2"])
def test_its_collectors_are_sandboxed_and_their_commands_known(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    program, command, *options = shlex.split(service["command"])
    shown = subprocess.run(
        [Path(sys.executable).parent / program, command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert all(option in shown.stdout for option in options if option.startswith("--"))


def test_the_image_copies_what_the_package_is_made_of() -> None:
    copied = {line.split()[1] for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("COPY")}
    assert {"mrv", "link", "drivers", "agent", "collector", "verify", "requirements", "pyproject.toml"} <= copied
    assert all((DEPLOY.parent / name).exists() for name in copied)
