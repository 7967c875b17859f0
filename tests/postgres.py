"""A real PostgreSQL server of the tests' own on a Unix socket, and a fresh database in it for whoever asks."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import real

_NUMBERS = itertools.count()


def programs() -> Path:
    """The folder of the server's programs, or skip (fail under MRV_REQUIRE_REAL=1)."""
    found = sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1]
    real.missing["postgresql"] = "postgresql"
    real.absent("postgresql is not installed (Debian: apt install postgresql)")
    raise AssertionError("absent() never returns")


class Postgres:
    """One server process. It will not run as root: then it runs as the user the package made."""

    def __init__(self) -> None:
        self._programs = programs()
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._folder = Path(tempfile.mkdtemp(prefix="mrv-pg-"))  # short: the path of a socket has room for 107 bytes
        self._run_as = {"user": self.user, "group": self.user} if os.geteuid() == 0 else {}
        if self._run_as:
            shutil.chown(self._folder, self.user, self.user)
        self._do("initdb", "-D", self.data, "-U", "mrv", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")

    @property
    def data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c max_connections=200 "
        # A server that is killed loses nothing of it; only a machine without power would.
        options += "-c fsync=off -c full_page_writes=off"
        self._do("pg_ctl", "-D", self.data, "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self, how: str = "immediate") -> None:
        self._do("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"office_{next(_NUMBERS)}"
        self._do("createdb", "-h", str(self._folder), "-U", "mrv", name)
        return f"postgresql://mrv@/{name}?host={self._folder}"

    def _do(self, program: str, *words: str) -> None:
        command = [str(self._programs / program), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **self._run_as)  # type: ignore[call-overload]
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
