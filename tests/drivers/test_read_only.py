"""Read-only by construction: four functions, whatever is asked of any line, seen on the wire.

The devices of the tests (`modbus_device`, `rtu_device`, `modelled_line`) refuse anything else as well, so every test
that uses one is a witness.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modbus_device import Device, Request
from rtu_device import Pty, RtuRequest, SerialServer, Wire, honest

from drivers import lines, mbap, question
from drivers.bus import Bus
from drivers.errors import MeterError
from drivers.question import FUNCTIONS
from drivers.tcp import TcpBus
from drivers.wiring import RtuLine, RtuOverTcpLine

ALLOWED = {0x03, 0x04, 0x11, 0x2B}


async def everything(bus: Bus) -> None:
    """Every question there is, also to those who refuse."""
    for ask in (
        lambda: bus.read(1, "h", 0, 1),
        lambda: bus.read(1, "i", 65535, 1),
        lambda: bus.server_id(1),
        lambda: bus.device_id(1),
        lambda: bus.device_id(1, 0x80),
    ):
        with suppress(MeterError):
            await ask()
    await bus.close()


async def test_what_a_serial_line_sends() -> None:
    asked: list[int] = []

    async def script(device: Wire, request: RtuRequest) -> None:
        asked.append(request.function)
        await honest(device, request)

    async with Pty(script) as port, SerialServer(script) as server:
        await everything(lines.connect(RtuLine(id="a", port=port.port, late=10, timeout=500, retries=0)))
        await everything(
            lines.connect(RtuOverTcpLine(id="b", host="127.0.0.1", port=server.port, late=10, timeout=500, retries=0))
        )
    assert set(asked) == ALLOWED


async def test_what_a_modbus_tcp_line_sends() -> None:
    asked: list[int] = []

    async def script(_: Device, request: Request) -> None:
        asked.append(request.function)
        await request.send(request.refusal(1))

    async with Device(script) as device:
        await everything(TcpBus("127.0.0.1", device.port, retries=0))
    assert set(asked) == ALLOWED


def test_the_table_is_these_four() -> None:
    assert FUNCTIONS == ALLOWED


@given(st.binary(min_size=1, max_size=260))
def test_no_other_request_can_be_expressed(pdu: bytes) -> None:
    """What goes out is read back first (drivers.tcp): only these parse, and only as what they are."""
    found = question.parse(pdu)
    assert found is None or (found.pdu == pdu and found.function in ALLOWED)


@pytest.mark.parametrize("function", sorted(set(range(256)) - ALLOWED))
def test_every_other_function_is_no_question(function: int) -> None:
    for rest in (b"", b"\0\0", b"\0\0\0\1", b"\0\0\0\1\2\0\0"):
        pdu = bytes([function]) + rest
        assert question.parse(pdu) is None
        header = b"\0\1\0\0" + (len(pdu) + 1).to_bytes(2, "big") + b"\1"
        assert mbap.asked(header + pdu) is None


async def test_the_library_cannot_be_talked_into_a_write() -> None:
    async def script(_: Device, request: Request) -> None:
        await request.send(request.refusal(1))

    async with Device(script) as device:
        bus = TcpBus("127.0.0.1", device.port, retries=0)
        with pytest.raises(MeterError):
            await bus.read(1, "h", 0, 1)
        assert bus._connection
        client = bus._connection._client  # type: ignore[attr-defined]
        with pytest.raises(Exception, match="not a question"):
            await client.write_register(0, 1, device_id=1)
        await asyncio.sleep(0.05)
        assert {request.function for request in device.requests} == {3}
        await bus.close()


def test_the_sources_name_no_way_to_write(root: Path) -> None:
    """The library's writing calls appear nowhere outside the simulator."""
    writing = re.compile(r"\b(write_(register|coil)s?|mask_write_register|readwrite_registers|write_file_record)\b")
    assert writing.search("client.write_registers(0, [1])")
    for path in (root / "drivers").rglob("*.py"):
        assert "simulator" in path.parts or not writing.search(path.read_text()), path
