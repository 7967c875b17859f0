"""Requests out of the bytes of a serial line, as a meter hears them: a frame that is not whole and sealed is no frame.

Silence ends a frame; between two programs on one machine silence cannot be measured in characters, so a pause of PAUSE
seconds does. A meter never answers what it did not understand, and answers nothing sent to everybody (unit 0).
"""

from __future__ import annotations

from drivers.simulator import frames
from drivers.simulator.frames import Refusal, Request

PAUSE = 0.05
#: Bytes of a whole request by function, where the function says it.
_SIZES = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, frames.SERVER_ID: 4, frames.DEVICE_ID: 7}
_LONGEST = 256


class Ear:
    """Gathers bytes. `heard` gives each whole request, or the refusal (with unit and function) it earned."""

    def __init__(self) -> None:
        self._bytes = b""
        self._last = 0.0

    def heard(self, data: bytes, now: float) -> list[tuple[Request | Refusal, int, int]]:
        """Requests that `data`, come at `now` seconds, completes: (request or refusal, unit, function)."""
        if now - self._last > PAUSE:
            self._bytes = b""
        self._last = now
        self._bytes += data
        found: list[tuple[Request | Refusal, int, int]] = []
        while frame := self._frame():
            unit, pdu = frame[0], frame[1:-2]
            try:
                found.append((frames.parse(None, unit, pdu), unit, pdu[0]))
            except Refusal as refusal:
                found.append((refusal, unit, pdu[0]))
        return [entry for entry in found if entry[1]]

    def _frame(self) -> bytes:
        """The next whole frame, taken from the bytes; what cannot become one is dropped up to the next pause."""
        if len(self._bytes) < 4:
            return b""
        size = _SIZES.get(self._bytes[1], self._length_of_write())
        if len(self._bytes) < size:
            return b""
        frame, rest = self._bytes[:size], self._bytes[size:]
        self._bytes = rest if frames.crc(frame) == 0 else b""
        return frame if frames.crc(frame) == 0 else b""

    def _length_of_write(self) -> int:
        """Functions 15 and 16 say how many bytes follow; of any other nothing is known but that it has come."""
        if self._bytes[1] in (15, 16):
            return 9 + self._bytes[6] if len(self._bytes) > 6 else _LONGEST
        return len(self._bytes)
