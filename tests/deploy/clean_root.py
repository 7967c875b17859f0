"""A clean Debian made by debootstrap, with this checkout inside: commands in it as root or as the daemon's user.

`.ci/run` makes the root and a folder of wheels and names both (MRV_DEBIAN_ROOT, MRV_WHEELS); docs/en/operator.md has
the commands for anybody else. Everything a test installs is in that root; the network is the machine's own loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real import absent

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKOUT = "/srv/mrv"
_INSTALLED = (
    "/opt/mrv",
    "/etc/mrv-agent",
    "/etc/mrv-collector",
    "/var/lib/mrv-agent",
    "/var/lib/mrv-collector",
    "/etc/systemd/system/mrv-agent.service",
    "/etc/systemd/system/mrv-collector.service",
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CleanRoot:
    """The root at `path`."""

    def __init__(self, path: Path, wheels: Path) -> None:
        self.path = path
        for left in (*_INSTALLED, "/srv"):  # by a run before this one
            target = self.at(left)
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True)
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (REPOSITORY / name).is_file():
                target = self.at(f"{CHECKOUT}/{name}")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, target)
        shutil.copytree(wheels, self.at("/srv/wheels"))

    def at(self, path: str) -> Path:
        """Where `path` of the clean machine lies on this one."""
        return self.path / path.lstrip("/")

    def command(self, *words: str, user: str = "root") -> list[str]:
        """What runs `words` in there, for a process of one's own."""
        who = [] if user == "root" else ["--userspec", f"{user}:{user}"]
        clean = ["env", "-i", f"PATH={_PATH}", "LANG=C.UTF-8"]
        return [*clean, "chroot", *who, str(self.path), *words]

    def run(self, *words: str, user: str = "root", code: int = 0) -> str:
        """Run `words` to their end; what they printed. Fails unless they exit with `code`."""
        done = subprocess.run(self.command(*words, user=user), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@contextmanager
def clean_root() -> Iterator[CleanRoot]:
    """The prepared root with /proc and /dev as a machine has them."""
    path, wheels = os.environ.get("MRV_DEBIAN_ROOT", ""), os.environ.get("MRV_WHEELS", "")
    if not path or not wheels or os.geteuid():
        absent("MRV_DEBIAN_ROOT and MRV_WHEELS are not set (see .ci/run), or this is not root")
    root = CleanRoot(Path(path), Path(wheels))
    subprocess.run(["mount", "-t", "proc", "proc", root.at("/proc")], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", "--lazy", root.at("/proc")], check=True)
