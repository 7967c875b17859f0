"""Where the demo keeps its things, and the two files it writes for the site. Touches nothing outside its folder."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from demo.errors import DemoError
from mrv.errors import fault

SITE = "demo-factory"
ORG = "demo.example"
_TEMPLATE = Path(__file__).parent / "templates" / "site.yaml"
_MARKER = ".made-by-mrv-demo"


@dataclass(frozen=True, slots=True)
class Layout:
    """The demo's folder: `site` is the gateway's, `office` the collector's, `export` the auditor's."""

    root: Path

    @property
    def site(self) -> Path:
        return self.root / "site"

    @property
    def office(self) -> Path:
        return self.root / "office"

    @property
    def export(self) -> Path:
        return self.root / "export"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def commands(self) -> Path:
        """What every command that is not a long-running process was asked and said."""
        return self.logs / "commands.log"


def prepare(root: Path) -> Layout:
    """An empty folder at `root`; wipes an earlier demo's. Raises DemoError rather than wipe anything else."""
    layout = Layout(root)
    if root.exists() and any(root.iterdir()) and not (root / _MARKER).exists():
        raise DemoError(fault("demo.folder_not_ours", str(root)))
    shutil.rmtree(root, ignore_errors=True)
    layout.logs.mkdir(parents=True)
    (root / _MARKER).touch()
    return layout


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wiring(ports: Mapping[str, int], broker: int, cosigner: str) -> str:
    """site.yaml for the simulator's `ports` (by bus), the broker's port and the office's cosigner key."""
    return Template(_TEMPLATE.read_text()).substitute(
        site=SITE, org=ORG, broker=broker, cosigner=cosigner, port_a=ports["a"], port_b=ports["b"]
    )


def adjusted(plan: str, period: int) -> str:
    """The example plan with the demo's period (seconds) and a clock nobody synchronises accepted."""
    for line, instead in (
        (r"^period: \d+", f"period: {period}"),
        (r"^clock: \[[^\]]*\]", "clock: [I, S, R]"),
    ):
        plan, found = re.subn(line, instead, plan, flags=re.MULTILINE)
        if found != 1:
            raise DemoError(fault("demo.plan_unknown", line=line))
    return plan
