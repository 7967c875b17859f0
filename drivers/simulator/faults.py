"""What goes wrong on a wire, scripted per unit: each request to a unit meets the next fault of its list.

    faults = Scripted()
    faults.next(1, Silent(), Late(0.8), None)   # unit 1: no reply, a late one, an honest one; honest ever after
    faults.always(2, Refuses(0x0B))

A fault may change the words a meter shows (`words`), what is sent and when (`frames`), or both. The simulator asks its
`Faults` port for every request; `Scripted` is its only implementation besides "nothing goes wrong".
"""

# ruff: noqa: ARG002 - all faults share one signature, and each needs only part of it

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from drivers.simulator.frames import HEADER, Refusal, Request, framed

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
        """What the meter shows instead of `words`. Raises Refusal for an exception reply."""
        return words

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        """What is sent instead of `frame`; nothing for silence."""
        return (Send(data=frame),)


@dataclass(frozen=True, slots=True)
class Late(Fault):
    """The reply comes `seconds` late, behind the replies to later requests if need be."""

    seconds: float

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        return (Send(data=frame, after=self.seconds),)


@dataclass(frozen=True, slots=True)
class Silent(Fault):
    """No reply."""

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Duplicate(Fault):
    """The reply comes twice, the second `seconds` after the first."""

    seconds: float = 0.0

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        return (Send(data=frame), Send(data=frame, after=self.seconds))


@dataclass(frozen=True, slots=True)
class Short(Fault):
    """A well-formed reply with `missing` registers fewer than asked for."""

    missing: int = 1

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        body = frame[HEADER + 2 : len(frame) - 2 * self.missing]
        pdu = bytes((request.function, len(body))) + body
        return (Send(data=framed(request.transaction, request.unit, pdu)),)


@dataclass(frozen=True, slots=True)
class Truncated(Fault):
    """The frame breaks off after `size` bytes and the line hangs up."""

    size: int = 9

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        return (Send(data=frame[: self.size], close=True),)


@dataclass(frozen=True, slots=True)
class HangsUp(Fault):
    """The connection closes without a reply."""

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        return (Send(close=True),)


@dataclass(frozen=True, slots=True)
class WrongUnit(Fault):
    """The reply carries the id of another unit."""

    unit: int

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        return (Send(data=framed(request.transaction, self.unit, frame[HEADER:])),)


@dataclass(frozen=True, slots=True)
class WrongFunction(Fault):
    """The reply claims to answer another function."""

    function: int

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        pdu = bytes((self.function,)) + frame[HEADER + 1 :]
        return (Send(data=framed(request.transaction, request.unit, pdu)),)


@dataclass(frozen=True, slots=True)
class WrongTransaction(Fault):
    """The reply belongs to a request that nobody made."""

    off: int = 1

    def frames(self, request: Request, frame: bytes) -> tuple[Send, ...]:
        return (Send(data=framed((request.transaction + self.off) % 0x10000, request.unit, frame[HEADER:])),)


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
    """What the server asks for every request to a unit it has."""

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
