"""Whether somebody else speaks on a serial line, in which language, and about which ids.

Two masters on one line destroy each other's frames, and a running plant hangs on the other one: the tool refuses to
send while it hears one. A right CRC alone is no proof, for in noise one turns up by chance every few hundred bytes;
so a frame must also be one that a Modbus master or meter would say. DL/T 645 (the protocol many meters made for China
are delivered with) is recognised by its own frame: 0x68, six address bytes, 0x68, control, length, data, sum, 0x16.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mrv.errors import Fault, fault

#: Functions that are seen on real lines, with the length of the request where it is fixed.
_REQUESTS = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 17: 4, 43: 7}
_COUNTED = frozenset((1, 2, 3, 4, 17, 23))
_WRITES = frozenset((5, 6, 15, 16))
#: Bytes that are no frames but too many for a loose wire.
_TALK = 16


@dataclass(frozen=True, slots=True)
class Overheard:
    """What came in `seconds` of silence on our side. `units`: ids in Modbus frames; `addresses`: of DL/T 645 meters."""

    seconds: float
    count: int = 0
    units: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ()
    writes: bool = False

    @property
    def somebody(self) -> bool:
        """Another master: nothing may be sent."""
        return bool(self.units or self.addresses)


def overheard(data: bytes, frames: Sequence[bytes], seconds: float) -> Overheard:
    """Judge what was heard; `frames` are those stretches of `data` that have a right CRC."""
    real = [frame for frame in frames if believable(frame)]
    units = tuple(sorted({frame[0] for frame in real}))
    writes = any(frame[1] & 0x7F in _WRITES for frame in real)
    return Overheard(seconds, len(data), units, tuple(dict.fromkeys(dlt645(data))), writes)


def believable(frame: bytes) -> bool:
    """Whether a frame with a right CRC is something Modbus: id, function and length belong together."""
    if len(frame) < 4 or frame[0] > 247:
        return False
    function, length = frame[1], len(frame)
    if function & 0x80:
        return length == 5 and 0 < frame[2] < 12 and function & 0x7F in {*_REQUESTS, 15, 16, 23}
    if _REQUESTS.get(function) == length:
        return True
    if function in (15, 16):
        return length == 8 or (length > 9 and length == 9 + frame[6])
    if function == 43:
        return length > 9 and frame[2] == 0x0E
    return function in _COUNTED and length > 5 and length == 5 + frame[2]


def dlt645(data: bytes) -> Iterator[str]:
    """The meter addresses (12 digits) in whole DL/T 645 frames."""
    at = data.find(0x68)
    while at >= 0:
        frame = data[at:]
        if len(frame) >= 12 and frame[7] == 0x68:
            end = 10 + frame[9]
            whole = len(frame) >= end + 2 and frame[end + 1] == 0x16 and sum(frame[:end]) & 0xFF == frame[end]
            if whole:
                yield frame[6:0:-1].hex()
        at = data.find(0x68, at + 1)


def refusal(line: str, heard: Overheard, speed: str) -> Fault | None:
    """Why nothing may be sent on `line`; None when it may."""
    seconds = f"{heard.seconds:.0f}"
    if heard.units:
        listed = ", ".join(map(str, heard.units))
        return fault("tool.scan_other_master", line, units=listed, seconds=seconds, speed=speed)
    if heard.addresses:
        return fault("tool.scan_dlt645", line, addresses=", ".join(heard.addresses), speed=speed)
    return None


def doubt(line: str, heard: Overheard) -> Fault | None:
    """What to say of bytes that are no frames at any speed that was listened at."""
    return (
        fault("tool.scan_noise_heard", line, count=heard.count) if heard.count >= _TALK and not heard.somebody else None
    )
