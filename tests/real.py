"""Programs not written here that some tests need, and one place that says what happens when they are absent.

`need("mosquitto")` gives the path of a program. Where it is missing the test is skipped and listed at the end of the
run; under MRV_REQUIRE_REAL=1 (set by .ci/run, which installs them) it fails instead.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

#: program -> Debian package that brings it
PACKAGES = {
    "mosquitto": "mosquitto",
    "go": "golang-go golang-golang-x-mod-dev",
    "openssl": "openssl",
    "systemd-analyze": "systemd",
    "cc": "gcc libc6-dev libmodbus-dev",
    "soffice": "libreoffice-calc",
}
missing: dict[str, str] = {}


def need(program: str) -> str:
    """The path of `program`, or skip (fail under MRV_REQUIRE_REAL=1)."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found and (program != "cc" or Path("/usr/include/modbus/modbus.h").exists()):
        return found
    missing[program] = PACKAGES[program]
    return absent(f"{program} is not installed (Debian: apt install {PACKAGES[program]})")


def vectors(*parts: str) -> Path:
    """A path below the third-party conformance vectors (MRV_VECTORS, or ../shared/vectors beside the repository)."""
    root = Path(os.environ.get("MRV_VECTORS", Path(__file__).resolve().parents[2] / "shared" / "vectors"))
    path = root.joinpath(*parts)
    if not path.exists():
        missing["conformance vectors"] = "set MRV_VECTORS to their folder"
        absent(f"conformance vectors are not at {root}; set MRV_VECTORS")
    return path


def absent(reason: str) -> str:
    if os.environ.get("MRV_REQUIRE_REAL") == "1":
        pytest.fail(f"MRV_REQUIRE_REAL=1 and {reason}", pytrace=False)
    pytest.skip(reason)
