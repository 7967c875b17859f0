"""What a scan asks, in which order, how long it will take and when it has seen enough.

Pure. Asking everything (247 ids, 10 speeds, 3 parities) takes an hour; meters as they leave the factory answer within
the first seconds, and meters a person has numbered have small numbers. So: the factory settings of the profiles, then
ids 1 to 32 at the speeds of those, then the other ids, then the other speeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Parity = Literal["N", "E", "O"]
Stage = Literal["factory", "usual", "rest", "unusual"]
STAGES: tuple[Stage, ...] = ("factory", "usual", "rest", "unusual")

USUAL = range(1, 33)
REST = range(33, 248)
#: A gateway's own units: 255 and 0 are what devices without a serial side answer to.
ALSO_TCP = (255, 0)
BAUDS = (9600, 19200, 38400, 4800, 2400, 115200, 57600, 1200)
PARITIES: tuple[Parity, ...] = ("N", "E", "O")
#: Waiting for the first byte of an answer, in ms: an unknown meter (most answer within 100), and one at its factory
#: setting, whose maker may document up to this much.
PATIENCE, PATIENT = 300, 1000
#: Characters of a question and of the shortest answer with words; silence around them, in ms.
_CHARACTERS, _SILENCE = 8 + 9, 10


@dataclass(frozen=True, slots=True, order=True)
class Speed:
    """Serial settings; always 8 data bits."""

    baud: int
    parity: Parity = "N"
    stop: int = 1

    def __str__(self) -> str:
        return f"{self.baud} 8{self.parity}{self.stop}"

    @property
    def character(self) -> float:
        """Milliseconds a character takes."""
        return (10 + self.stop - (self.parity == "N")) * 1000 / self.baud


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """A speed (None: Modbus TCP, where the gateway knows it) and an id: how a meter leaves its factory."""

    speed: Speed | None
    unit: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a scan. `patience` is in ms."""

    speed: Speed | None
    unit: int
    stage: Stage
    patience: int

    @property
    def cost(self) -> float:
        """Milliseconds, when nobody answers."""
        return self.patience + (self.speed.character * _CHARACTERS + _SILENCE if self.speed else 0)


def likely(settings: Iterable[tuple[Setting, int]]) -> tuple[Setting, ...]:
    """Distinct factory settings, weightiest first; a profile gives each of its settings a weight by its confidence."""
    weights: dict[Setting, int] = {}
    for setting, weight in settings:
        weights[setting] = weights.get(setting, 0) + weight
    return tuple(sorted(weights, key=lambda setting: (-weights[setting], _rarity(setting.speed), setting.unit)))


def _rarity(speed: Speed | None) -> tuple[int, int, int]:
    """How seldom a speed is seen."""
    if speed is None:
        return (0, 0, 0)
    return (BAUDS.index(speed.baud) if speed.baud in BAUDS else len(BAUDS), PARITIES.index(speed.parity), speed.stop)


def serial(factory: Sequence[Setting], only: Speed | None = None, patience: int | None = None) -> tuple[Ask, ...]:
    """Every question of a serial line, in order. `only`: this speed and no other; `patience`: for every question."""
    speeds = (only,) if only else tuple(dict.fromkeys(setting.speed for setting in factory if setting.speed))
    short, long = patience or PATIENCE, patience or PATIENT
    others = () if only else tuple(speed for speed in _all_speeds() if speed not in speeds)
    settings = [Setting(only or setting.speed, setting.unit) for setting in factory if only or setting.speed]
    asks = [Ask(setting.speed, setting.unit, "factory", long) for setting in settings]
    asks += [Ask(speed, unit, "usual", short) for speed in speeds for unit in USUAL]
    asks += [Ask(speed, unit, "rest", short) for speed in speeds for unit in REST]
    asks += [Ask(speed, unit, "unusual", short) for units in (USUAL, REST) for speed in others for unit in units]
    return tuple(_once(asks))


def network(factory: Sequence[Setting], patience: int | None = None) -> tuple[Ask, ...]:
    """Every question for a gateway or device on the network, in order."""
    waits = patience or PATIENT
    asks = [Ask(None, setting.unit, "factory", waits) for setting in factory]
    asks += [Ask(None, unit, "usual", waits) for unit in (*USUAL, *ALSO_TCP)]
    asks += [Ask(None, unit, "rest", waits) for unit in REST]
    return tuple(_once(asks))


def _all_speeds() -> Iterator[Speed]:
    yield from (Speed(baud, parity) for parity in PARITIES for baud in BAUDS)
    yield from (Speed(baud, "N", 2) for baud in BAUDS)


def _once(asks: Iterable[Ask]) -> Iterator[Ask]:
    seen: set[tuple[Speed | None, int]] = set()
    for ask in asks:
        if (ask.speed, ask.unit) not in seen:
            seen.add((ask.speed, ask.unit))
            yield ask


def lively_first(asks: Sequence[Ask], lively: frozenset[Speed | None]) -> tuple[Ask, ...]:
    """What is left, with the speeds at which somebody has answered first within their stage."""
    order = {stage: number for number, stage in enumerate(STAGES)}
    return tuple(sorted(asks, key=lambda ask: (order[ask.stage], ask.speed not in lively)))


def enough(left: Sequence[Ask], found: int, *, expect: int | None, everything: bool) -> bool:
    """Whether to stop: as many as expected, or somebody answered and only unlikely ids are left."""
    if expect is not None:
        return found >= expect
    return bool(found) and not everything and bool(left) and left[0].stage in ("rest", "unusual")


def eta(left: Iterable[Ask]) -> float:
    """Seconds the questions take if nobody answers any of them."""
    return sum(ask.cost for ask in left) / 1000


def likely_part(asks: Iterable[Ask]) -> tuple[Ask, ...]:
    """The questions after which a scan that has found something stops."""
    return tuple(ask for ask in asks if ask.stage in ("factory", "usual"))
