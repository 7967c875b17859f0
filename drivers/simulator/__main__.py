"""`python -m drivers.simulator`: a simulated site until SIGTERM or Ctrl-C; one JSON line when it is ready.

python -m drivers.simulator --plant demo --port-a 5020 --port-b 5021 --speed 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence

from drivers import profiles
from drivers.simulator import sites
from drivers.simulator.line import Units
from drivers.simulator.plant import Clock, Device, Plant, snapshot
from drivers.simulator.registers import image
from drivers.simulator.server import TcpServer
from mrv.profile import Profile, Table


class Running:
    """One device of a plant on the monotonic clock: every read is an image of the instant it came."""

    def __init__(self, device: Device, clock: Clock, profile: Profile, since: float) -> None:
        self._device = device
        self._clock = clock
        self._profile = profile
        self._since = since

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        """Raises frames.Refusal for what the meter would not answer."""
        shown = snapshot(self._device, self._clock, time.monotonic() - self._since)
        return image(self._profile, self._device.settings, shown).read(table, address, count)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when stopped, 1 when a port is taken."""
    options = _parser().parse_args(argv)
    clock = Clock(start=options.start, speed=options.speed)
    plant = sites.demo(clock) if options.plant == "demo" else sites.load(clock, options.meters)
    try:
        asyncio.run(_run(plant, {"a": options.port_a, "b": options.port_b}, options.host))
    except OSError as error:
        sys.stderr.write(f"cannot listen: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m drivers.simulator", description="A simulated site on Modbus TCP.")
    parser.add_argument("--plant", choices=("demo", "load"), default="demo", help="which site (default: demo)")
    parser.add_argument("--meters", type=_count, default=20, help="meters of the load site (default: 20)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port-a", type=int, default=0, help="port of bus a (default: any free one)")
    parser.add_argument("--port-b", type=int, default=0, help="port of bus b (default: any free one)")
    parser.add_argument("--start", type=float, default=10.0, help="hour of the plant's day at the start (default: 10)")
    parser.add_argument("--speed", type=_speed, default=1.0, help="plant seconds per real second (default: 1)")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 2 * 247:
        raise argparse.ArgumentTypeError("a number from 1 to 494")
    return int(text)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 86_400:
        raise argparse.ArgumentTypeError("more than 0, at most 86400")
    return speed


async def _run(plant: Plant, ports: dict[str, int], host: str) -> None:
    since = time.monotonic()
    library = profiles.library()
    buses: dict[str, dict[int, Running]] = {name: {} for name in ports}
    for device in plant.devices:
        buses[device.bus][device.unit] = Running(device, plant.clock, library[device.profile], since)
    servers = {name: TcpServer(Units(units), host, ports[name]) for name, units in buses.items()}
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        for server in servers.values():
            await server.start()
        sys.stdout.write(json.dumps(_ready(plant, servers)) + "\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        for server in servers.values():
            await server.stop()


def _ready(plant: Plant, servers: dict[str, TcpServer]) -> dict[str, object]:
    return {
        "plant": plant.name,
        "buses": {name: {"host": server.host, "port": server.port} for name, server in servers.items()},
        "devices": [
            {
                "name": device.name,
                "bus": device.bus,
                "unit": device.unit,
                "profile": device.profile,
                "base": device.settings.base,
            }
            for device in plant.devices
        ],
    }


if __name__ == "__main__":
    raise SystemExit(main())
