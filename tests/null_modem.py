"""Two serial ports joined back to back, and everything that went through: for servers that want a port of their own.

with NullModem() as modem:
    modem.ours, modem.theirs       names of the two ports
    modem.said                     bytes that came in at `ours`, in order
"""

from __future__ import annotations

import os
import select
import threading
import tty
from typing import Self


class NullModem:
    def __enter__(self) -> Self:
        (left, self.ours), (right, self.theirs) = _port(), _port()
        self._ends = {left: right, right: left}
        self._ours = left
        self.said = bytearray()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for handle in self._ends:
            os.close(handle)

    def _carry(self) -> None:
        while not self._over.is_set():
            ready, _, _ = select.select(list(self._ends), [], [], 0.05)
            for handle in ready:
                try:
                    data = os.read(handle, 1024)
                except OSError:  # nobody has this port open, or it has just been opened
                    self._over.wait(0.002)
                    continue
                if handle == self._ours:
                    self.said += data
                os.write(self._ends[handle], data)


def _port() -> tuple[int, str]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    os.close(theirs)
    os.set_blocking(ours, False)
    return ours, name
