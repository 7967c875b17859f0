"""Power over plant time, with its exact integral.

A curve is straight between knots one plant minute apart, so the energy up to any instant is a sum of trapezoids and
not an approximation: a counter built on it and the power shown beside it can never disagree. The knots of a day follow
from the curve's seed and the day's number alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from random import Random
from typing import Literal

DAY = 86_400
STEP = 60
KNOTS = DAY // STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A load or a generator of `peak` W. Times are plant seconds since the midnight of the plant's first day."""

    shape: Literal["pv", "chiller", "constant"]
    peak: float
    seed: int

    def power(self, second: float) -> float:
        """W at `second`."""
        if self.shape == "constant":
            return self.peak
        day, rest = divmod(second, DAY)
        return _between(_day(self, int(day)).knots, rest)

    def energy(self, second: float) -> float:
        """Wh from plant second 0 to `second`: the integral of `power`, exact but for floating point."""
        if self.shape == "constant":
            return self.peak * second / 3600
        day, rest = divmod(second, DAY)
        today = _day(self, int(day))
        knot = int(rest // STEP)
        tail = (today.knots[knot] + _between(today.knots, rest)) / 2 * (rest - knot * STEP) / 3600
        return _before(self, int(day)) + today.until[knot] + tail


@dataclass(frozen=True, slots=True)
class _Day:
    knots: tuple[float, ...]
    until: tuple[float, ...]  # Wh from midnight to each knot


def _between(knots: tuple[float, ...], rest: float) -> float:
    knot, part = divmod(rest, STEP)
    left, right = knots[int(knot)], knots[int(knot) + 1]
    return left + (right - left) * part / STEP


@lru_cache(maxsize=64)
def _day(curve: Curve, day: int) -> _Day:
    shape = _sun if curve.shape == "pv" else _cooling
    swing = _wander(Random(f"{curve.seed}/{day}"))  # noqa: S311 - weather, not a secret
    knots = tuple(curve.peak * shape(knot * STEP / 3600, swing[knot]) for knot in range(KNOTS + 1))
    steps = ((left + right) / 2 * STEP / 3600 for left, right in pairwise(knots))
    return _Day(knots, tuple(accumulate(steps, initial=0.0)))


@lru_cache(maxsize=4096)
def _before(curve: Curve, day: int) -> float:
    return sum(_day(curve, n).until[-1] for n in range(day))


def _wander(chance: Random) -> list[float]:
    """A walk within 0..1 that keeps drifting back to 0.75: cloud gaps, compressor stages. Starts and ends there."""
    walk = [0.75]
    for _ in range(KNOTS - 1):
        walk.append(min(1.0, max(0.0, walk[-1] + 0.08 * (0.75 - walk[-1]) + chance.gauss(0, 0.06))))
    return [*walk, 0.75]


def _sun(hour: float, clear: float) -> float:
    """Share of the peak: nothing before 6 and after 18 h, at worst a quarter of the clear sky under clouds."""
    height = math.sin(math.pi * (hour - 6) / 12) if 6 < hour < 18 else 0.0
    return float(height**1.2 * (0.25 + 0.75 * clear))


def _cooling(hour: float, swing: float) -> float:
    """Share of the peak: a fifth at night, the working day on top of it with the heat of the early afternoon."""
    working = min(1.0, max(0.0, (hour - 6.5) / 2)) - min(1.0, max(0.0, (hour - 18) / 2))
    heat = 0.25 * math.exp(-(((hour - 14.5) / 3) ** 2))
    return 0.2 + working * (0.4 + heat) + 0.15 * (swing - 0.75)
