"""What goes wrong on a wire, scripted per unit: each request to a unit meets the next fault of its list.

    faults = Scripted()
    faults.next(1, Silent(), Late(0.8), None)   # unit 1: no reply, a late one, an honest one; honest ever after
    faults.always(2, Refuses(0x0B))

A fault may change the words a meter shows (`words`), what it says (`reply`), or what reaches the wire and when
(`sends`). The simulator asks its `Faults` port for every request: `Scripted` here for tests, a scenario's timeline
(`drivers.simulator.timeline`) for everything else.
"""

# ruff: noqa: ARG002 - all faults share one signature, and each needs only part of it

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

from drivers.simulator.frames import Refusal, Reply, Request

Words = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Bytes on the wire `after` seconds; `close` hangs up behind them."""

    data: bytes = b""
    after: float = 0.0
    close: bool = False


class Fault:
    """Nothing goes wrong; each fault overrides where it does."""

    def words(self, request: Request, words: Words) -> Words:
        """What the meter shows instead of `words` (none, when it is asked who it is). Raises Refusal."""
        return words

    def reply(self, request: Request, reply: Reply) -> Reply:
        """What the meter says instead of `reply`."""
        return reply

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        """What is put on the wire instead of `sends`; nothing for silence."""
        return sends


@dataclass(frozen=True, slots=True)
class Together(Fault):
    """Several faults at once, each on what the one before it left."""

    faults: tuple[Fault, ...]

    def words(self, request: Request, words: Words) -> Words:
        for fault in self.faults:
            words = fault.words(request, words)
        return words

    def reply(self, request: Request, reply: Reply) -> Reply:
        for fault in self.faults:
            reply = fault.reply(request, reply)
        return reply

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        for fault in self.faults:
            sends = fault.sends(request, sends)
        return sends


@dataclass(frozen=True, slots=True)
class Late(Fault):
    """The reply comes `seconds` late, behind the replies to later requests if need be."""

    seconds: float

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        return tuple(replace(send, after=send.after + self.seconds) for send in sends)


@dataclass(frozen=True, slots=True)
class Silent(Fault):
    """No reply."""

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Doubled(Fault):
    """The reply comes twice, the second `seconds` after the first."""

    seconds: float = 0.0

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        return sends + tuple(replace(send, after=send.after + self.seconds) for send in sends)


@dataclass(frozen=True, slots=True)
class Short(Fault):
    """A well-formed reply with `missing` registers fewer than asked for."""

    missing: int = 1

    def reply(self, request: Request, reply: Reply) -> Reply:
        if reply.pdu[0] & 0x80:
            return reply
        body = reply.pdu[2 : len(reply.pdu) - 2 * self.missing]
        return replace(reply, pdu=bytes((reply.pdu[0], len(body))) + body)


@dataclass(frozen=True, slots=True)
class Truncated(Fault):
    """The frame breaks off after `size` bytes; a TCP connection ends there."""

    size: int = 9

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        return tuple(replace(send, data=send.data[: self.size], close=True) for send in sends)


@dataclass(frozen=True, slots=True)
class BadSeal(Fault):
    """One bit of an RTU frame is another than was sent, so its CRC does not fit."""

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        return tuple(replace(send, data=send.data[:-1] + bytes((send.data[-1] ^ 0x10,))) for send in sends)


@dataclass(frozen=True, slots=True)
class HangsUp(Fault):
    """The connection closes without a reply."""

    def sends(self, request: Request, sends: tuple[Send, ...]) -> tuple[Send, ...]:
        return (Send(close=True),)


@dataclass(frozen=True, slots=True)
class WrongUnit(Fault):
    """The reply carries the id of another unit."""

    unit: int

    def reply(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, unit=self.unit)


@dataclass(frozen=True, slots=True)
class WrongFunction(Fault):
    """The reply claims to answer another function."""

    function: int

    def reply(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, pdu=bytes((self.function,)) + reply.pdu[1:])


@dataclass(frozen=True, slots=True)
class WrongTransaction(Fault):
    """The reply belongs to a request that nobody made."""

    off: int = 1

    def reply(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, transaction=((reply.transaction or 0) + self.off) % 0x10000)


@dataclass(frozen=True, slots=True)
class Refuses(Fault):
    """An exception reply with `code`."""

    code: int

    def words(self, request: Request, words: Words) -> Words:
        raise Refusal(self.code)


@dataclass(frozen=True, slots=True)
class Shows(Fault):
    """The registers from `address` on show `content` instead: NaN, a sentinel, zeros, a torn value."""

    address: int
    content: Words

    def words(self, request: Request, words: Words) -> Words:
        changed = {self.address + i: word for i, word in enumerate(self.content)}
        return tuple(changed.get(request.address + i, word) for i, word in enumerate(words))


#: A float32 that is not a number.
NAN: Words = (0x7FC0, 0x0000)


class Faults(Protocol):
    """What a line asks for every request to a unit it has."""

    def meet(self, unit: int) -> Fault:
        """The fault this request meets."""


class Honest:
    """Nothing goes wrong."""

    def meet(self, unit: int) -> Fault:
        return Fault()


class Scripted:
    """A list of faults per unit, and what stays when it is used up."""

    def __init__(self) -> None:
        self._next: dict[int, deque[Fault | None]] = {}
        self._always: dict[int, Fault] = {}

    def next(self, unit: int, *faults: Fault | None) -> None:
        """The coming requests to `unit` meet these, in order; None is an honest reply."""
        self._next.setdefault(unit, deque()).extend(faults)

    def always(self, unit: int, fault: Fault) -> None:
        """Every further request to `unit` meets `fault` once its list is used up."""
        self._always[unit] = fault

    def heal(self, unit: int) -> None:
        """`unit` is honest again."""
        self._next.pop(unit, None)
        self._always.pop(unit, None)

    def meet(self, unit: int) -> Fault:
        queue = self._next.get(unit)
        fault = queue.popleft() if queue else self._always.get(unit)
        return fault or Fault()
