"""Lines on a serial port: a pseudo terminal behind a stable name, at the pace of a baud rate.

The stable name is a symbolic link, as udev keeps one in /dev/serial/by-id: when the plug is pulled and put back the
terminal has another number and the link points to it. The kernel lets a pseudo terminal keep the speed, odd parity and
stop bits the other end set, but not even parity: what the line cannot see it does not judge.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import termios
import tty
from dataclasses import dataclass
from pathlib import Path

from drivers.simulator.line import Line, Tty
from drivers.simulator.rtu import Ear
from drivers.simulator.server import Where, exchanged
from drivers.simulator.wire import Pace

#: While nobody holds the other end there is nothing to wait for: look again after this many seconds.
_LOOK_AGAIN = 0.01
_SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A pseudo terminal: our end, and the name of the other one."""

    master: int
    device: str

    @classmethod
    def opened(cls) -> _Pair:
        master, slave = os.openpty()
        tty.setraw(slave)
        device = os.ttyname(slave)
        os.close(slave)  # held by us, it could not be seen whether anybody else holds it
        os.set_blocking(master, False)
        return cls(master, device)

    @property
    def deserted(self) -> bool:
        """Nobody holds the other end."""
        poll = select.poll()
        poll.register(self.master, select.POLLIN)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def freed(self) -> bool:
        """Whether it can be opened again: unlike a serial port, a terminal stays exclusive when its holder has gone."""
        try:
            slave = os.open(self.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            return error.errno != errno.EBUSY
        fcntl.ioctl(slave, termios.TIOCNXCL)
        os.close(slave)
        return True

    @property
    def settings(self) -> Tty:
        """How the other end has set the port."""
        attributes = termios.tcgetattr(self.master)
        flags, speed = attributes[2], attributes[5]
        stop = 2 if flags & termios.CSTOPB else 1
        return Tty(baud=_SPEEDS.get(speed, 0), odd=bool(flags & termios.PARODD), stop=stop)


class PtyServer:
    """A serial port at `path`, a link that `start` makes in an existing folder."""

    def __init__(self, line: Line, path: Path, *, baud: int = 9600) -> None:
        self.path = path
        self._line = line
        self._baud = baud
        self._ear = Ear()
        self._pace = Pace(self._put, baud)
        self._pair: _Pair | None = None
        self._spare: _Pair | None = None

    async def start(self) -> Where:
        pair = self._pair = self._spare or _Pair.opened()
        self._spare, self._ear = None, Ear()
        self.path.symlink_to(pair.device)
        self._listen(pair)
        return Where(path=str(self.path), device=pair.device, baud=self._baud)

    async def stop(self) -> None:
        self._drop()
        if self._spare:
            os.close(self._spare.master)
            self._spare = None

    async def vanish(self) -> None:
        """The terminal it will come back as is opened before this one goes, so that it has another number."""
        self._spare = _Pair.opened()
        self._drop()

    async def come_back(self) -> Where:
        return await self.start()

    def speak(self, data: bytes) -> None:
        self._pace.say(data)

    def _drop(self) -> None:
        pair, self._pair = self._pair, None
        if pair:
            self._pace.silence()
            asyncio.get_running_loop().remove_reader(pair.master)
            self.path.unlink(missing_ok=True)
            os.close(pair.master)

    def _listen(self, pair: _Pair) -> None:
        loop = asyncio.get_running_loop()
        if self._pair is not pair:
            return
        if pair.deserted:
            loop.call_later(_LOOK_AGAIN, self._listen, pair)
        else:
            loop.add_reader(pair.master, self._readable, pair)

    def _readable(self, pair: _Pair) -> None:
        try:
            data = os.read(pair.master, 4096)
        except OSError as error:
            if error.errno != errno.EAGAIN:  # EIO: the other end has closed the port
                self._released(pair)
            return
        for send in exchanged(self._line, self._ear, self._pace, data, pair.settings):
            self._pace.say(send.data, send.after)

    def _released(self, pair: _Pair) -> None:
        """Wait for the next one to hold the port; if this terminal admits nobody any more, behind the same link."""
        asyncio.get_running_loop().remove_reader(pair.master)
        if not pair.freed():
            self.path.unlink(missing_ok=True)
            os.close(pair.master)
            pair = self._pair = _Pair.opened()
            self.path.symlink_to(pair.device)
        self._listen(pair)

    def _put(self, data: bytes) -> None:
        """Characters for nobody are lost, as on a real line."""
        if self._pair is None or self._pair.deserted:
            return
        try:
            os.write(self._pair.master, data)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
