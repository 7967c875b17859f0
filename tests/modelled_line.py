"""A serial line with meters on it as arithmetic: character times, turnaround, one voice at a time; no kernel.

line = ModelledLine(9600, {unit: Station(turnaround=50) for unit in range(1, 11)})
line.stations[3].dead = True
bus = RtuBus("line", line.open, Manners(timing=Timing(baud=9600)))

What comes in is handed on in the small pieces an adapter gives. Two voices at once garble each other, as they do.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

from rtu_device import crc

#: Bytes an adapter gathers before it tells the computer.
PIECE = 32


@dataclass
class Station:
    """A meter: every pair of registers is a float32 that counts up with time. Times in ms."""

    turnaround: float = 50
    dead: bool = False


class ModelledLine:
    def __init__(self, baud: int, stations: dict[int, Station], bits: int = 10) -> None:
        self.character = bits / baud
        self.stations = stations
        self.asked: list[tuple[float, int]] = []
        self.collisions = 0
        self._busy_until = 0.0
        self._protocol: asyncio.Protocol | None = None

    async def open(self, protocol: asyncio.Protocol) -> ModelledLine:
        self._protocol = protocol
        return self

    def is_closing(self) -> bool:
        return self._protocol is None

    def close(self) -> None:
        self._protocol = None

    def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        assert data[1] in (3, 4)
        assert crc(data[:-2]) == data[-2:]
        self.collisions += loop.time() < self._busy_until
        self.asked.append((loop.time(), data[0]))
        heard = self._busy_until = loop.time() + len(data) * self.character
        station = self.stations.get(data[0])
        if station and not station.dead:
            loop.call_at(heard + station.turnaround / 1000, self._answer, data)

    def _answer(self, question: bytes) -> None:
        loop = asyncio.get_running_loop()
        count = int.from_bytes(question[4:6], "big")
        value = struct.pack(">f", 1000 + loop.time() / 1000)
        body = question[:2] + bytes([2 * count]) + (value * (count // 2 + 1))[: 2 * count]
        reply = body + crc(body)
        self.collisions += loop.time() < self._busy_until
        self._busy_until = loop.time() + len(reply) * self.character
        for start in range(0, len(reply), PIECE):
            piece = reply[start : start + PIECE]
            loop.call_at(loop.time() + (start + len(piece)) * self.character, self._hear, piece)

    def _hear(self, piece: bytes) -> None:
        if self._protocol:
            self._protocol.data_received(piece)
