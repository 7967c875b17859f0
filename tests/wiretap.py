"""Recorders on the wire between programs: everything that is sent to meters, as bytes, whoever sends it.

with TcpTap(port) as tap:          127.0.0.1:tap.port leads to 127.0.0.1:port
with PtyTap(path) as tap:          the serial port tap.path leads to the one at path, at the speed it is opened with
    tap.taken()                    what went towards the meters since last asked: a list of byte streams

`functions_of_rtu` and `functions_of_tcp` read such streams as requests. They are written from the Modbus documents and
know every public request, writes above all; a byte that is part of no whole request fails the test.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import termios
import threading
import tty
from contextlib import suppress
from pathlib import Path
from typing import Self

#: Bytes of a whole RTU request by function (V1.1b3 section 6), and where the count of further bytes stands.
FIXED = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6, 43: 7}
COUNTED = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}


def functions_of_rtu(data: bytes) -> list[int]:
    """The function code of each request in a stream of RTU frames."""
    found = []
    while data:
        assert len(data) >= 4, f"a piece of a frame: {data.hex()}"
        function = data[1]
        assert function in FIXED or function in COUNTED, f"no request known to the standard: {data[:16].hex()}"
        size = FIXED.get(function) or COUNTED[function] + 3 + data[COUNTED[function]]
        frame, data = data[:size], data[size:]
        assert len(frame) == size, f"a piece of a frame: {frame.hex()}"
        assert struct.unpack("<H", frame[-2:])[0] == _crc(frame[:-2]), f"a frame with a wrong CRC: {frame.hex()}"
        found.append(function)
    return found


def functions_of_tcp(data: bytes) -> list[int]:
    """The function code of each request in a stream of Modbus TCP."""
    found = []
    while data:
        assert len(data) >= 8, f"a piece of a request: {data.hex()}"
        protocol, length = struct.unpack(">HH", data[2:6])
        assert protocol == 0, data[:16].hex()
        assert len(data) >= 6 + length >= 8, f"a piece of a request: {data.hex()}"
        found.append(data[7])
        data = data[6 + length :]
    return found


def _crc(data: bytes) -> int:
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register


class _Tap:
    """A thread that carries bytes, and the streams it carried towards the meters."""

    def __init__(self) -> None:
        self._streams: dict[int, bytearray] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while not self._over.is_set():
            self._carry()

    def _carry(self) -> None:
        raise NotImplementedError

    def _note(self, stream: int, data: bytes) -> None:
        with self._lock:
            self._streams.setdefault(stream, bytearray()).extend(data)

    def taken(self) -> list[bytes]:
        with self._lock:
            taken, self._streams = self._streams, {}
        return [bytes(stream) for stream in taken.values()]

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class TcpTap(_Tap):
    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._ends: dict[socket.socket, socket.socket] = {}
        self._asking: dict[socket.socket, int] = {}
        self._count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for end in (self._server, *self._ends):
            end.close()

    def _carry(self) -> None:
        for end in select.select([self._server, *self._ends], [], [], 0.05)[0]:
            if end is self._server:
                self._accept()
            elif end in self._ends:
                self._pass_on(end)

    def _accept(self) -> None:
        client = self._server.accept()[0]
        meter = socket.create_connection(("127.0.0.1", self._target))
        self._ends |= {client: meter, meter: client}
        self._count += 1
        self._asking[client] = self._count

    def _pass_on(self, end: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = end.recv(4096)
        if data and end in self._asking:
            self._note(self._asking[end], data)
        with suppress(OSError):
            if data:
                self._ends[end].sendall(data)
                return
        other = self._ends.pop(end)
        del self._ends[other]
        self._asking.pop(end, None)
        self._asking.pop(other, None)
        end.close()
        other.close()


class PtyTap(_Tap):
    """`path` is a link that is made; whoever opens it is heard by the port at `target`, set to the same speed."""

    def __init__(self, target: str, path: Path) -> None:
        super().__init__()
        self.path = path
        self._ours, slave = os.openpty()
        tty.setraw(slave)
        path.symlink_to(os.ttyname(slave))
        os.close(slave)  # whoever opens it must be able to hold it alone
        os.set_blocking(self._ours, False)
        self._meters = os.open(target, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._meters)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        os.close(self._ours)
        os.close(self._meters)
        self.path.unlink()

    def _carry(self) -> None:
        for handle in select.select([self._ours, self._meters], [], [], 0.05)[0]:
            try:
                data = os.read(handle, 4096)
            except OSError:  # nobody has the port open, or it has just been opened
                self._over.wait(0.002)
                continue
            if handle == self._ours:
                self._note(0, data)
                termios.tcsetattr(self._meters, termios.TCSANOW, termios.tcgetattr(self._ours))
                os.write(self._meters, data)
            else:
                with suppress(OSError):  # for nobody
                    os.write(self._ours, data)
