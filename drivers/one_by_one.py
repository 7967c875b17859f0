"""Giving each meter on a line its own id, one meter at a time: what to do next, given who answers.

Pure. New meters all ship as id 1, and nothing here can write to one: the technician changes id and speed on the meter's
own keypad, and the tool looks whether it worked before the next one is connected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.scan import Found
from drivers.scan_plan import PATIENT, USUAL, Ask, Speed

#: `connect`: nobody answers. `leave_one`: several do. `set`: id or speed must be changed, to `unit` and `speed`.
#: `next`: this one is as it should be.
Action = Literal["connect", "leave_one", "set", "next"]


@dataclass(frozen=True, slots=True)
class Step:
    """What the technician does now. For `set`: what the meter is to have; for `next`: what it has."""

    action: Action
    unit: int = 0
    speed: Speed | None = None


def step(found: Sequence[Found], doubt: str, taken: Iterable[int], target: Speed | None) -> Step:
    """The next step when `found` answer on a line that should carry one meter; `doubt`: why it may be two."""
    used = frozenset(taken)
    if not found:
        return Step("connect")
    if len(found) > 1 or doubt:
        return Step("leave_one")
    one = found[0]
    speed = target if target is not None else one.speed
    if one.unit in used or one.unit not in USUAL:
        return Step("set", free(used), speed)
    if one.speed != speed:
        return Step("set", one.unit, speed)
    return Step("next", one.unit, speed)


def free(taken: frozenset[int]) -> int:
    """The smallest id nobody has; 1 is left to the next new meter, so that it can be connected beside the others."""
    units: tuple[int, ...] = (*range(2, 248), 1)
    return next(unit for unit in units if unit not in taken)


def asks(usual: Sequence[Ask], taken: Iterable[int], target: Speed | None) -> tuple[Ask, ...]:
    """What to ask a line that should carry one new meter: factory settings, and the ids that were given already.

    The other likely ids only come after those: a new meter is found within seconds.
    """
    given = [Ask(target, unit, "factory", PATIENT) for unit in dict.fromkeys((1, *taken))]
    places = {(ask.speed, ask.unit) for ask in given}
    return (*given, *(ask for ask in usual if (ask.speed, ask.unit) not in places))
