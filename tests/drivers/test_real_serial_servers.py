"""Serial servers not written here, read by the line that ships: libmodbus and pymodbus, on a port and over TCP."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from null_modem import NullModem
from pymodbus import FramerType, ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from real import need

from drivers import lines
from drivers.bus import LineBus
from drivers.errors import ExceptionReply, NoReply
from drivers.wiring import RtuLine, RtuOverTcpLine, TcpLine

SOURCE = Path(__file__).with_name("libmodbus_rtu_server.c")
SOME = ((0, 125), (65411, 125), (65535, 1), (7, 2))


@pytest.fixture(scope="session")
def libmodbus_rtu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("libmodbus") / "rtu_server"
    command = [need("cc"), "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(program), str(SOURCE), "-lmodbus"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return program


@contextmanager
def serving(program: Path, port: str, baud: int, unit: int) -> Iterator[None]:
    command = [program, port, str(baud), str(unit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            server.kill()


@pytest.mark.real
@pytest.mark.parametrize("baud", [9600, 38400])
async def test_libmodbus_on_a_serial_port(libmodbus_rtu: Path, baud: int) -> None:
    with NullModem() as modem, serving(libmodbus_rtu, modem.theirs, baud, 17):
        bus = lines.connect(RtuLine(id="l", port=modem.ours, baud=baud, timeout=3000, late=200))
        for table in ("h", "i"):
            for first, count in SOME:
                assert await bus.read(17, table, first, count) == tuple(range(first, first + count))  # type: ignore[arg-type]
        with pytest.raises(ExceptionReply) as caught:
            await bus.read(17, "h", 65535, 2)
        assert caught.value.code == 2
        assert b"LMB" in await bus.server_id(17)
        await bus.close()


@pytest.mark.real
async def test_libmodbus_does_not_answer_for_another_unit(libmodbus_rtu: Path) -> None:
    """It takes the question after one to a silent neighbour for the neighbour's answer; the second try reaches it."""
    with NullModem() as modem, serving(libmodbus_rtu, modem.theirs, 9600, 17):
        bus = lines.connect(RtuLine(id="l", port=modem.ours, timeout=600, late=100, retries=1))
        with pytest.raises(NoReply):
            await bus.read(18, "h", 0, 1)
        assert await bus.read(17, "h", 5, 1) == (5,)
        await bus.close()


def device(unit: int) -> SimDevice:
    data = [SimData(0, values=list(range(1000)), datatype=DataType.REGISTERS)]
    return SimDevice(unit, simdata=data)


def identity() -> ModbusDeviceIdentification:
    return ModbusDeviceIdentification(
        info_name={"VendorName": "Maker", "ProductCode": "M12", "MajorMinorRevision": "1.0"}
    )


@asynccontextmanager
async def pymodbus(kind: str, **options: Any) -> AsyncIterator[LineBus]:
    """The library's server of one kind, and our bus on it."""
    wired: dict[str, Any] = {"id": "l", "timeout": 3000, **options}
    if kind == "rtu":
        with NullModem() as modem:
            server: Any = ModbusSerialServer(
                [device(3), device(9)], port=modem.theirs, baudrate=19200, identity=identity()
            )
            async with running(server, lines.connect(RtuLine(port=modem.ours, baud=19200, late=100, **wired))) as bus:
                yield bus
        return
    framer = FramerType.RTU if kind == "rtu-over-tcp" else FramerType.SOCKET
    server = ModbusTcpServer([device(3), device(9)], framer=framer, address=("127.0.0.1", 0), identity=identity())
    await server.listen()
    port = server.transport.sockets[0].getsockname()[1]
    line = (
        RtuOverTcpLine(host="127.0.0.1", port=port, late=100, **wired)
        if kind == "rtu-over-tcp"
        else TcpLine(host="127.0.0.1", port=port, **wired)
    )
    async with running(server, lines.connect(line)) as bus:
        yield bus


@asynccontextmanager
async def running(server: Any, bus: LineBus) -> AsyncIterator[LineBus]:
    if not server.transport:
        await server.listen()
    try:
        yield bus
    finally:
        await bus.close()
        await server.shutdown()


@pytest.mark.parametrize("kind", ["tcp", "rtu-over-tcp", "rtu"])
async def test_pymodbus_serves_what_we_read(kind: str) -> None:
    async with pymodbus(kind) as bus:
        for unit in (3, 9):
            for first, count in ((0, 125), (500, 3), (999, 1)):
                assert await bus.read(unit, "h", first, count) == tuple(range(first, first + count))
                assert await bus.read(unit, "i", first, count) == tuple(range(first, first + count))
        with pytest.raises(ExceptionReply) as caught:
            await bus.read(3, "h", 5000, 1)
        assert caught.value.code == 2
        assert await bus.device_id(3) == {0: b"Maker", 1: b"M12", 2: b"1.0"}
        assert b"Maker" in await bus.server_id(3)
        assert await bus.device_id(3, 1) == {1: b"M12"}


@pytest.mark.parametrize("kind", ["tcp", "rtu-over-tcp", "rtu"])
async def test_many_reads_one_after_the_other(kind: str) -> None:
    async with pymodbus(kind) as bus:
        for address in range(100):
            assert await bus.read(3, "h", address, 1 + address % 7) == tuple(range(address, address + 1 + address % 7))
