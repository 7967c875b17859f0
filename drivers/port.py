"""A serial port as an asyncio transport. The home of pyserial.

The library's own asyncio transport is not used: it hides when the port is gone. A port is opened by the name the
technician gave, every time anew, so a stable name (/dev/serial/by-id/...) finds an adapter that was unplugged and came
back under another number. It is held for this process alone (flock and TIOCEXCL).

No exception of pyserial leaves this file.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import termios
from contextlib import suppress

import serial

#: What one read takes from the kernel; no frame is longer.
_CHUNK = 512


class SerialPort:
    """An open port; what it hears goes to `protocol` as from any asyncio transport."""

    def __init__(self, name: str, *, baud: int, parity: str, stop: int, protocol: asyncio.Protocol) -> None:
        """Raises OSError: no such port, no permission, in use, or no serial port at all."""
        try:
            self._port = serial.Serial(
                name, baudrate=baud, parity=parity, stopbits=stop, timeout=0, write_timeout=0, exclusive=True
            )
        except (serial.SerialException, ValueError, termios.error) as error:
            raise OSError(_number(error), str(error)) from error
        self._handle: int = self._port.fileno()
        with suppress(OSError):
            fcntl.ioctl(self._handle, termios.TIOCEXCL)
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._loop.add_reader(self._handle, self._readable)

    def write(self, data: bytes) -> None:
        """Send `data`; the kernel's buffer has room for a question. The protocol is told of a port that is gone."""
        try:
            if os.write(self._handle, data) != len(data):
                raise OSError("the port takes no more")
        except OSError as error:
            self._lost(error)

    def is_closing(self) -> bool:
        return not self._open

    def close(self) -> None:
        """Let go of the port, dropping what has not been sent or heard."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._handle)
        with suppress(OSError, termios.error):
            termios.tcflush(self._handle, termios.TCIOFLUSH)
            fcntl.ioctl(self._handle, termios.TIOCNXCL)  # a pseudo terminal would stay exclusive
        with suppress(OSError, serial.SerialException, termios.error):
            self._port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._handle, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._lost(OSError("the port is gone"))

    def _lost(self, error: OSError) -> None:
        if self._open:
            self.close()
            self._protocol.connection_lost(error)


def _number(error: BaseException | None) -> int:
    """The errno behind what pyserial raised; it hides some of them in a tuple, a text or a cause."""
    while error is not None:
        found = getattr(error, "errno", None) or next((a for a in error.args if isinstance(a, int)), None)
        if found:
            return int(found)
        error = error.__context__
    return errno.EINVAL
