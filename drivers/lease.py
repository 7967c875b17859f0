"""Whose turn it is on a line: the agent's, or that of the tool which borrows it.

Two masters on one line garble each other, and many gateways serve one client. So whoever asks on a line holds its
lease: a lock of the kernel (flock) on a file named after the line's end, free again however its holder ends. A second
lock beside it says that somebody waits:

    Tenant    the agent: holds the line while nobody wants it, lets go when somebody does, takes it back afterwards
    borrowed  the tool: says that it wants the line, waits until it has it, gives it back by leaving the block

The two agree by looking into the same folder, and only by that: the tool need not run as the agent's user, nor the
agent run at all. A serial port is locked once more when it is opened (drivers.port), for programs that do not ask here.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.wiring import Line, RtuLine
from mrv.errors import Fault, Refused, fault

#: Names the folder of the locks, for tests and unusual systems; the agent and the tool must be given the same.
FOLDER = "MRV_LOCK_DIR"
_INSTALLED, _SHARED = Path("/run/mrv"), Path("/run/lock")
#: How long (s) a tool waits for the agent to let go: the longest question with all its retries.
PATIENCE = 60
#: After so long (s) the wait is worth a word.
_NOTICE = 2
#: And for another tool: no longer than the agent's glance at the lock (`Lock.taken`) may look like one.
_GLANCE = 0.5
_LOOK = 0.05


def folder() -> Path:
    """Where the locks are: the same for every user, and without being root.

    The folder the installed service makes for the purpose (deploy/mrv-agent.service), else /run/lock where everybody
    may write to it, else the temporary folder. Not the user's own runtime folder, which the agent's user and the
    technician would not share.
    """
    if given := os.environ.get(FOLDER):
        return Path(given)
    if _INSTALLED.is_dir():
        return _INSTALLED
    try:
        mode = _SHARED.stat().st_mode
    except OSError:
        mode = 0
    return _SHARED if mode & stat.S_IWOTH and mode & stat.S_ISVTX else Path(tempfile.gettempdir())


def name(line: Line) -> str:
    """A line's end as a file name. A serial port by the device its name leads to now, so that all its names are one."""
    end = os.path.realpath(line.port) if isinstance(line, RtuLine) else line.end.lower()
    return "mrv-line-" + re.sub(r"[^a-z0-9.]+", "-", end.removeprefix("/dev/"), flags=re.IGNORECASE)


def same(one: Line, other: Line) -> bool:
    """Whether two lines have the same end, whatever they call it."""
    return name(one) == name(other)


def holders(line: Line) -> frozenset[int]:
    """The processes of ours that have `line` or wait for it."""
    return frozenset(int(pid) for lock in _locks(line) if lock.taken() and (pid := lock.holder()).isdecimal())


class Lock:
    """A lock of the kernel that names its holder. Not shared between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    @property
    def held(self) -> bool:
        return self._handle >= 0

    def take(self) -> bool:
        """Whether it is ours now. Raises Refused: the file cannot be made or is not ours to use."""
        if self.held:
            return True
        handle = self._open()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError as error:
            os.close(handle)
            raise Refused(fault("meter.no_lock", str(self.path), problem=error.strerror)) from error
        self._handle = handle
        return True

    def let_go(self) -> None:
        if self.held:
            os.close(self._handle)
        self._handle = -1

    def taken(self) -> bool:
        """Whether anybody else holds it."""
        try:
            with self.path.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def holder(self) -> str:
        """The process that holds it, for messages."""
        try:
            return self.path.read_text().strip() or "?"
        except (OSError, UnicodeDecodeError):
            return "?"

    def _open(self) -> int:
        """Whoever comes first makes the file, for everybody; it is never removed, or two could hold two of them.

        The kernel may refuse O_CREAT on another user's file in a folder like /tmp (fs.protected_regular), so an
        existing file is opened without it.
        """
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            try:
                return os.open(self.path, flags)
            except FileNotFoundError:
                return self._made(flags)
        except OSError as error:
            raise Refused(fault("meter.no_lock", str(self.path), problem=error.strerror)) from error

    def _made(self, flags: int) -> int:
        try:
            handle = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            return os.open(self.path, flags)  # made by somebody else meanwhile
        os.fchmod(handle, 0o666)  # whatever our umask says
        return handle


def _locks(line: Line) -> tuple[Lock, Lock]:
    """The line itself, and the wish to have it."""
    path = folder() / name(line)
    return Lock(path), Lock(path.with_name(path.name + ".wanted"))


class Tenant:
    """The agent's side of one line. `close` lets go of the port or socket before somebody else gets the line."""

    def __init__(self, line: Line, close: Callable[[], Awaitable[None]]) -> None:
        self._line, self._close = line, close
        self._lock, self._wanted = _locks(line)
        #: Why the line is not ours; None while it is.
        self.trouble: Fault | None = None
        #: It is not ours because a tool has borrowed it.
        self.lent = False

    async def ours(self) -> bool:
        """Whether to go on asking. Never waits; call it before every question and while idle."""
        lock, wanted = _locks(self._line)
        if lock.path != self._lock.path:  # the adapter came back under another number
            await self.leave()
            self._lock, self._wanted = lock, wanted
        self.lent = self._wanted.taken()
        if self.lent:
            await self.leave()
            self.trouble = fault("meter.line_lent", self._line.id, pid=self._wanted.holder())
            return False
        try:
            free = self._lock.take()
            self.trouble = None if free else fault("meter.line_held", self._line.id, pid=self._lock.holder())
        except Refused as error:
            free, self.trouble = False, error.faults[0]
        return free

    async def leave(self) -> None:
        """Let go of the line."""
        if self._lock.held:
            await self._close()
            self._lock.let_go()


@asynccontextmanager
async def borrowed(
    line: Line, patience: float = PATIENCE, tell: Callable[[Fault], None] = lambda _: None
) -> AsyncIterator[None]:
    """Hold `line` within the block. Raises Refused: another tool has it, or its holder does not let go in time.

    `tell` hears once who is waited for when it takes longer than a person would think nothing of.
    """
    lock, wanted = _locks(line)
    await _wait(wanted, line, _GLANCE, "meter.line_borrowed", tell)
    try:
        await _wait(lock, line, patience, "meter.line_not_lent", tell)
        yield
    finally:
        lock.let_go()
        wanted.let_go()


async def _wait(lock: Lock, line: Line, patience: float, code: str, tell: Callable[[Fault], None]) -> None:
    began, told = asyncio.get_running_loop().time(), False
    while not lock.take():
        waited = asyncio.get_running_loop().time() - began
        who = {"pid": lock.holder(), "seconds": f"{patience:g}"}
        if waited >= patience:
            raise Refused(fault(code, line.end, **who))
        if waited >= _NOTICE and not told:
            tell(fault("meter.line_waited_for", line.end, **who))
            told = True
        await asyncio.sleep(_LOOK)
