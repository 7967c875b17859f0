"""Golden registers served by Modbus servers not written here, read by the line and the meter that ship."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import meter_cases
import pytest
from meter_cases import Case
from pyModbusTCP.server import DataBank, ModbusServer
from real import need

from drivers import profiles
from drivers.errors import ExceptionReply, NotAvailable
from drivers.meter import Meter
from drivers.tcp import TcpBus
from mrv import codec
from mrv.binding import BoundMeter
from mrv.reading import GapReason

SOURCE = Path(__file__).with_name("libmodbus_server.c")
LIBRARY = profiles.library()
WHOLE = [
    name
    for name in meter_cases.names()
    if set(LIBRARY[meter_cases.load(name).profile].read) <= set(meter_cases.load(name).values)
]
NOT_AVAILABLE = ["sdm630_import_not_a_number", "sunspec_103_not_accumulated", "sunspec_single_phase_at_the_address"]


@pytest.fixture(scope="session")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C server, compiled against the system's libmodbus."""
    program = tmp_path_factory.mktemp("libmodbus") / "server"
    command = [need("cc"), "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(program), str(SOURCE), "-lmodbus"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return program


def serve_libmodbus(program: Path, case: Case) -> Iterator[int]:
    lines = "".join(f"{key.replace(':', ' ')} {words}\n" for key, words in case.raw.items())
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(lines)
        server.stdin.close()
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def serve_pymodbustcp(case: Case) -> Iterator[int]:
    bank = DataBank()
    for key in case.raw:
        table, first = key[0], int(key[2:])
        words = [
            word
            for (t, at), word in sorted(case.words.items())
            if t == table and 0 <= at - first < len(case.raw[key]) // 4
        ]
        (bank.set_holding_registers if table == "h" else bank.set_input_registers)(first, words)
    server = ModbusServer("127.0.0.1", 0, no_block=True, data_bank=bank)
    server.start()
    try:
        yield server._service.server_address[1]
    finally:
        server.stop()


@pytest.fixture(params=["libmodbus", "pyModbusTCP"])
def serve(request: pytest.FixtureRequest) -> Iterator[object]:
    """A function from a case to the port of a server that holds its registers."""
    running: list[Iterator[int]] = []

    def start(case: Case) -> int:
        if request.param == "libmodbus":
            running.append(serve_libmodbus(request.getfixturevalue("libmodbus"), case))
        else:
            running.append(serve_pymodbustcp(case))
        return next(running[-1])

    yield start
    for server in running:
        next(server, None)


def meter(case: Case, bus: TcpBus) -> Meter:
    bound = BoundMeter(meter="m", point="P", profile=case.profile, every=10, settings=case.settings)
    return Meter(bound, LIBRARY[case.profile], bus, 1)


@pytest.mark.real
@pytest.mark.parametrize("name", WHOLE)
async def test_a_meter_reads_what_the_source_prints(name: str, serve) -> None:  # type: ignore[no-untyped-def]
    case = meter_cases.load(name)
    bus = TcpBus("127.0.0.1", serve(case), timeout=2000)
    tested = meter(case, bus)
    first, second = await tested.read(), await tested.read()
    await bus.close()
    assert first == second
    read = set(LIBRARY[case.profile].read)
    assert meter_cases.by_name(first.values) == {name: text for name, text in case.values.items() if name in read}
    used = set(codec.addresses(LIBRARY[case.profile], case.settings, LIBRARY[case.profile].read))
    assert first.raw == codec.pack({at: word for at, word in case.words.items() if at in used})
    again = codec.decode(LIBRARY[case.profile], case.settings, codec.unpack(first.raw))
    assert codec.registers(LIBRARY[case.profile], again) == first.registers


@pytest.mark.real
@pytest.mark.parametrize("name", NOT_AVAILABLE)
async def test_what_a_meter_does_not_know_is_a_gap_with_its_words(name: str, serve) -> None:  # type: ignore[no-untyped-def]
    case = meter_cases.load(name)
    bus = TcpBus("127.0.0.1", serve(case), timeout=2000)
    with pytest.raises(NotAvailable) as caught:
        await meter(case, bus).read()
    await bus.close()
    assert caught.value.reason is GapReason.NOT_AVAILABLE
    assert caught.value.raw
    for at, word in codec.unpack(caught.value.raw).items():
        assert case.words.get(at, 0) == word


@pytest.mark.real
async def test_both_tables_and_the_ends_of_the_address_space(serve) -> None:  # type: ignore[no-untyped-def]
    ramp = {
        f"{table}:{first}": "".join(f"{first + i:04x}" for i in range(125)) for table in "hi" for first in (0, 65411)
    }
    case = Case(what="ramp", sources=(), origin="arithmetic", profile="", raw=ramp)
    bus = TcpBus("127.0.0.1", serve(case), timeout=2000)
    for table in ("h", "i"):
        for first, count in ((0, 125), (65411, 125), (65535, 1), (7, 2)):
            assert await bus.read(1, table, first, count) == tuple(range(first, first + count))  # type: ignore[arg-type]
    with pytest.raises(ExceptionReply) as caught:
        await bus.read(1, "h", 65535, 2)
    assert caught.value.code == 2
    assert await bus.read(1, "h", 0, 1) == (0,), "the line is as good as before"
    await bus.close()
