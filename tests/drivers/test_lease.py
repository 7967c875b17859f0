"""One lease per line: the agent lends it, the tool gives it back, and neither needs to live for the other to go on."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rtu_device import Pty, honest

from drivers import lease, lines
from drivers.lease import Lock, Tenant, borrowed, name
from drivers.wiring import RtuLine, RtuOverTcpLine, TcpLine
from mrv.errors import Refused
from mrv.messages import next_step, what

#: Whether a terminal is exclusive; termios does not name it.
TIOCGEXCL = 0x80045440
LINE = TcpLine(id="roof", host="192.168.1.20")
#: A tool in another process: says that it has the line, and holds it until its input ends.
TOOL = """
import asyncio, sys
from drivers.lease import borrowed
from drivers.wiring import TcpLine
async def main():
    async with borrowed(TcpLine(id="x", host="192.168.1.20"), 5):
        print("mine", flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(lease.FOLDER, str(tmp_path))
    return tmp_path


class Line:
    """What the agent has open."""

    def __init__(self) -> None:
        self.closed = 0
        self.lock_held_while_closing = False

    async def close(self) -> None:
        self.closed += 1
        self.lock_held_while_closing = Lock(lease.folder() / name(LINE)).taken()


async def until(condition) -> None:  # type: ignore[no-untyped-def]
    """Wait for an async condition."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_agent_lends_and_takes_back() -> None:
    line = Line()
    tenant = Tenant(LINE, line.close)
    assert await tenant.ours()

    async def tool() -> None:
        async with borrowed(LINE):
            assert not await tenant.ours()
            await asyncio.sleep(0.05)
            assert not await tenant.ours()

    working = asyncio.ensure_future(tool())

    async def lent() -> bool:
        return not await tenant.ours()

    await until(lent)
    assert tenant.lent
    assert tenant.trouble
    assert (tenant.trouble.code, tenant.trouble.params) == ("meter.line_lent", {"pid": str(os.getpid())})
    assert line.closed == 1
    assert line.lock_held_while_closing, "the port is let go of before the lock is"
    await working
    assert await tenant.ours()
    assert tenant.trouble is None
    assert not tenant.lent
    await tenant.leave()


async def test_a_tool_without_an_agent_and_an_agent_that_starts_meanwhile() -> None:
    async with borrowed(LINE, 0):
        tenant = Tenant(LINE, Line().close)
        assert not await tenant.ours()
    assert await tenant.ours()
    await tenant.leave()


async def test_a_tool_that_is_killed_gives_the_line_back() -> None:
    line = Line()
    tenant = Tenant(LINE, line.close)
    assert await tenant.ours()
    tool = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TOOL, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:

        async def lent() -> bool:
            return not await tenant.ours()

        await until(lent)
        assert tool.stdout
        assert await tool.stdout.readline() == b"mine\n"
        assert not await tenant.ours()
        tool.kill()
        await until(tenant.ours)
    finally:
        await tool.communicate()
    await tenant.leave()


async def test_two_tools() -> None:
    async with borrowed(LINE):
        with pytest.raises(Refused) as caught:
            async with borrowed(LINE):
                pass
    (fault,) = caught.value.faults
    assert fault.code == "meter.line_borrowed"
    assert str(os.getpid()) in what(fault, "vi")
    assert str(os.getpid()) in next_step(fault)
    async with borrowed(LINE, 0):
        pass


async def test_a_holder_that_does_not_let_go() -> None:
    tenant = Tenant(LINE, Line().close)
    assert await tenant.ours()
    with pytest.raises(Refused) as caught:
        async with borrowed(LINE, 0.1):
            pass
    assert caught.value.faults[0].code == "meter.line_not_lent"
    assert await tenant.ours(), "the wish ended with the one who had it"
    other = Tenant(LINE, Line().close)
    assert not await other.ours()
    assert other.trouble
    assert other.trouble.code == "meter.line_held"
    assert not other.lent
    await tenant.leave()
    assert await other.ours()
    await other.leave()


async def test_the_agents_glance_is_not_taken_for_another_tool(locks: Path) -> None:
    """`taken` holds the wish for a moment; a tool that comes just then waits it out."""
    wish = locks / (name(LINE) + ".wanted")
    wish.touch()
    with wish.open("rb") as glance:
        fcntl.flock(glance, fcntl.LOCK_SH)
        asyncio.get_running_loop().call_later(0.1, lambda: fcntl.flock(glance, fcntl.LOCK_UN))
        async with borrowed(LINE, 0):
            pass


def test_one_end_has_one_name(tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB0"
    port.touch()
    by_id = tmp_path / "usb-FTDI_FT232R_A1-if00-port0"
    by_id.symlink_to(port)
    assert name(RtuLine(id="a", port=str(port))) == name(RtuLine(id="b", port=str(by_id), baud=19200))
    assert name(RtuLine(id="a", port="/dev/ttyUSB9")) == "mrv-line-ttyUSB9"
    over_tcp = RtuOverTcpLine(id="b", host="192.168.1.20", port=502)
    assert name(LINE) == name(over_tcp) == "mrv-line-192.168.1.20-502"
    assert name(TcpLine(id="a", host="Gateway.local")) == name(TcpLine(id="a", host="gateway.local"))


async def test_an_adapter_that_comes_back_under_another_number(tmp_path: Path) -> None:
    by_id = tmp_path / "by-id"
    for number in (0, 1):
        (tmp_path / f"ttyUSB{number}").touch()
    by_id.symlink_to(tmp_path / "ttyUSB0")
    line = Line()
    tenant = Tenant(RtuLine(id="a", port=str(by_id)), line.close)
    assert await tenant.ours()
    by_id.unlink()
    by_id.symlink_to(tmp_path / "ttyUSB1")
    assert await tenant.ours()
    assert line.closed == 1
    async with borrowed(RtuLine(id="b", port=str(tmp_path / "ttyUSB0")), 0):
        pass
    await tenant.leave()


async def test_a_folder_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lease.FOLDER, str(tmp_path / "no such folder"))
    tenant = Tenant(LINE, Line().close)
    assert not await tenant.ours()
    assert tenant.trouble
    assert tenant.trouble.code == "meter.no_lock"
    with pytest.raises(Refused):
        async with borrowed(LINE):
            pass


async def test_a_link_in_a_shared_folder_is_not_followed(locks: Path) -> None:
    precious = locks / "precious"
    precious.write_text("precious")
    (locks / name(LINE)).symlink_to(precious)
    assert not await Tenant(LINE, Line().close).ours()
    assert precious.read_text() == "precious"


async def test_the_lock_is_for_everybody_whatever_the_umask(locks: Path) -> None:
    before = os.umask(0o077)
    try:
        async with borrowed(LINE):
            pass
    finally:
        os.umask(before)
    assert {entry.stat().st_mode & 0o777 for entry in os.scandir(locks)} == {0o666}


def test_the_folder_is_the_same_for_every_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that depends on who asks; and what the service made is never passed over for another."""
    monkeypatch.delenv(lease.FOLDER)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    installed, shared = tmp_path / "mrv", tmp_path / "lock"
    monkeypatch.setattr(lease, "_INSTALLED", installed)
    monkeypatch.setattr(lease, "_SHARED", shared)
    assert lease.folder() == Path(tempfile.gettempdir())
    shared.mkdir(0o755)
    assert lease.folder() == Path(tempfile.gettempdir())
    shared.chmod(0o1777)
    assert lease.folder() == shared
    installed.mkdir(0o700)
    assert lease.folder() == installed


async def test_an_open_port_is_closed_to_programs_that_do_not_ask() -> None:
    """TIOCEXCL: the kernel refuses further opens by anybody but root; flock: root's polite programs see it too."""
    async with Pty(honest) as device:
        bus = lines.connect(RtuLine(id="a", port=device.port, late=10))
        assert await bus.read(1, "h", 5, 1) == (5,)
        try:
            other = os.open(device.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.EBUSY  # noqa: PT017
        else:  # we are root
            held = bytearray(4)
            fcntl.ioctl(other, TIOCGEXCL, held)
            assert held == b"\x01\0\0\0"
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(other)
        await bus.close()
