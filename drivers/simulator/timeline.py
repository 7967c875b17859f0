"""When what goes wrong: which misfortunes are on at an instant, and whose turn a counted one takes.

Pure but for its counters: time is a parameter, so a test can turn it by hand. Everything that begins, ends or hits is
told once, in the order in which it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from drivers.simulator.misfortune import Asleep, Counted, Once, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """`fault` begins, ends or hits a request, `t` scenario seconds after the start."""

    t: float
    what: Literal["begins", "ends", "hits"]
    fault: Once

    def told(self) -> dict[str, Any]:
        """For scripts: time, what, and the fault as it was written."""
        return {"t": round(self.t, 3), "event": self.what, **msgspec.to_builtins(self.fault)}


class Timeline:
    """The misfortunes of a scenario. `tell` hears of each as it happens."""

    def __init__(self, faults: Sequence[Once], tell: Callable[[Happening], None]) -> None:
        self._faults = tuple(faults)
        self._tell = tell
        self._met = [0] * len(self._faults)
        moments = [(f.begin, "begins", f) for f in self._faults]
        moments += [(f.end, "ends", f) for f in self._faults if f.end < float("inf")]
        self._coming = [
            Happening(t=t, what=what, fault=fault)  # type: ignore[arg-type]
            for t, what, fault in sorted(moments, key=lambda moment: moment[0])
        ]

    def next_moment(self) -> float:
        """When something begins or ends next; infinity when nothing does."""
        return self._coming[0].t if self._coming else float("inf")

    def pass_until(self, t: float) -> list[Happening]:
        """Everything that began or ended until `t`, told and taken from what is to come."""
        passed = [happening for happening in self._coming if happening.t <= t]
        self._coming = self._coming[len(passed) :]
        for happening in passed:
            self._tell(happening)
        return passed

    def meets(self, t: float, *, meter: str, line: str) -> list[Once]:
        """What a request to `meter` on `line` meets at `t`. Counts it."""
        met = []
        for index, fault in enumerate(self._faults):
            target = getattr(fault, "meter", None)
            mine = target == meter if target is not None else getattr(fault, "line", None) == line
            if not mine or not fault.begin <= t < _over(fault):
                continue
            self._met[index] += 1
            if isinstance(fault, Counted) and fault.is_counted:
                if not fault.hits(self._met[index]):
                    continue
                self._tell(Happening(t=t, what="hits", fault=fault))
            met.append(fault)
        return met

    def of(self, meter: str) -> tuple[Once, ...]:
        """Everything that ever happens to `meter`."""
        return tuple(fault for fault in self._faults if getattr(fault, "meter", None) == meter)


def _over(fault: Once) -> float:
    """When nothing of it is left: an inverter takes a while to wake."""
    return fault.end + seconds(fault.waking) if isinstance(fault, Asleep) else fault.end
