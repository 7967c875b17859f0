"""What silence, garbage and doubles on a line mean: the one decision table of a scan.

Pure. One situation, one message (domain `tool`, English and Vietnamese), because a technician acts on the first
sentence he reads. Wrong parity is silence, not garbage: a meter that hears a broken frame says nothing. So is a meter
that speaks DL/T645 or another protocol: it is only ever known by what its own master says.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.scan_plan import Speed
from mrv.errors import Fault, fault

#: `refused`: a Modbus exception, which is as good as an answer. `nobody`: a gateway's word (0x0A, 0x0B) that nothing
#: answered behind it.
Outcome = Literal["answered", "refused", "silent", "garbled", "nobody"]
ALIVE: frozenset[Outcome] = frozenset(("answered", "refused"))

#: Reads of a meter's identity that must agree before it is believed to be one meter.
IDENTITY_READS = 20
#: Of these many garbled ones are more than a spike on the line, and so are answers with bytes behind them.
_TOO_MANY_GARBLED, _TOO_MANY_EXTRA = 3, 3


@dataclass(frozen=True, slots=True)
class Heard:
    """What one question brought."""

    speed: Speed | None
    unit: int
    outcome: Outcome
    #: For garbled: crc, length, unit, function, incomplete.
    flaw: str = ""

    @property
    def place(self) -> str:
        return f"unit {self.unit}" if self.speed is None else f"{self.speed} unit {self.unit}"


def verdict(heard: Sequence[Heard], line: str) -> tuple[Fault, ...]:
    """What to tell about the line as a whole; empty when meters answered and nothing else was heard."""
    if not heard:
        return ()
    counted = Counter(one.outcome for one in heard)
    if counted.keys() & ALIVE:
        return tuple(_beside_the_living(heard))
    serial = heard[0].speed is not None
    if counted["garbled"]:
        return (_garbage(heard, line),)
    if counted["nobody"]:
        return (fault("tool.scan_nobody_behind", line, asked=len(heard)),)
    speeds = len({one.speed for one in heard})
    if serial:
        return (fault("tool.scan_silence", line, asked=len(heard), speeds=speeds),)
    return (fault("tool.scan_silence_tcp", line, asked=len(heard)),)


def _garbage(heard: Sequence[Heard], line: str) -> Fault:
    garbled = [one for one in heard if one.outcome == "garbled"]
    places = ", ".join(dict.fromkeys(one.place for one in garbled[:5]))
    return fault("tool.scan_garbage", line, places=places, count=len(garbled))


def _beside_the_living(heard: Sequence[Heard]) -> Iterator[Fault]:
    """Ids from which bytes came that were never an answer, and answers that came only sometimes."""
    places = {
        (one.speed, one.unit): [o.outcome for o in heard if (o.speed, o.unit) == (one.speed, one.unit)] for one in heard
    }
    for (speed, unit), outcomes in places.items():
        garbled, alive = outcomes.count("garbled"), sum(outcome in ALIVE for outcome in outcomes)
        place = Heard(speed, unit, "garbled").place
        if garbled and not alive:
            yield fault("tool.scan_collision", place, unit=unit)
        elif garbled:
            yield fault("tool.scan_noise", place, garbled=garbled, asked=len(outcomes))


def double(reads: Sequence[tuple[int, ...] | str]) -> str:
    """Why these reads of one identity cannot all be of one meter; empty when they can.

    A read is the words, or for one that failed the flaw in the bytes that came ("" for silence). `differs`: the words
    change to and fro (once may be a counter's high word). `garbled`: too many replies are broken where two meters speak
    at once. `extra`: bytes follow a reply.
    """
    words = [read for read in reads if isinstance(read, tuple)]
    flaws = [read for read in reads if isinstance(read, str) and read]
    if sum(before != after for before, after in itertools.pairwise(words)) > 1:
        return "differs"
    if flaws.count("extra") >= _TOO_MANY_EXTRA:
        return "extra"
    return "garbled" if len(flaws) >= _TOO_MANY_GARBLED else ""
