"""A meter of a scenario: what its registers hold for one request, given what has befallen it.

It is asked with the misfortunes that this very request meets; what shows in numbers comes from its `History`, what
shows in registers is done here. It knows no line and no clock: time is scenario seconds since the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from drivers.simulator import identity
from drivers.simulator import misfortune as m
from drivers.simulator.curve import Curve
from drivers.simulator.history import History
from drivers.simulator.identity import Identity
from drivers.simulator.line import Tty
from drivers.simulator.plant import Clock, Device
from drivers.simulator.registers import Image, Words, image
from drivers.simulator.scenario import Meter
from mrv import codec
from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.profile import MEASURANDS, WORDS, Profile, Table

_FLOWS = {
    "consumes": (Measurand.ACTIVE_ENERGY_IMPORT, 1.0),
    "exports": (Measurand.ACTIVE_ENERGY_EXPORT, -1.0),
    "generates": (Measurand.ACTIVE_ENERGY_EXPORT, 1.0),
}
_NANS = {"float32": "7FC00000", "float64": "7FF8000000000000"}


class Simulated:
    """`spec` on the clock of its plant; `faults` is everything that ever happens to it."""

    def __init__(self, spec: Meter, profiles: Mapping[str, Profile], clock: Clock, faults: Sequence[m.Once]) -> None:
        self.spec = spec
        self._profiles = profiles
        self._faults = faults
        self._replayed = [(m.seconds(frame.at), codec.unpack(frame.raw)) for frame in spec.replay]
        self._history = _history(spec, profiles[spec.profile], clock, faults)

    def answers(self, unit: int, t: float) -> bool:
        """Whether a request to `unit` at `t` is one to this meter."""
        twins = (f for f in self._faults if isinstance(f, m.DuplicateId) and f.begin <= t < f.end)
        return unit == self.spec.unit or any(twin.unit == unit for twin in twins)

    def listens(self, tty: Tty | None, baud: int, parity: str) -> bool:
        """Whether it understands characters sent with `tty` on a line whose meters usually have `baud` and `parity`."""
        if tty is None:
            return True
        return tty.baud == (self.spec.baud or baud) and tty.odd == ((self.spec.parity or parity) == "O")

    def profile(self, t: float) -> Profile:
        """Which model hangs there at `t`."""
        swapped = [f for f in self._faults if isinstance(f, m.Swapped) and f.begin <= t and f.profile]
        return self._profiles[swapped[-1].profile or "" if swapped else self.spec.profile]

    def identity(self, t: float) -> Identity:
        """Who hangs there at `t`."""
        spec, swapped = self.spec, [f for f in self._faults if isinstance(f, m.Swapped) and f.begin <= t]
        serial = (swapped[-1].serial or "87654321") if swapped else spec.serial
        firmware = (swapped[-1].firmware or spec.firmware) if swapped else spec.firmware
        return Identity(serial=serial or "12345678", firmware=firmware or "1.0", model=spec.model)

    def at(self, t: float, met: Sequence[m.Once]) -> Face:
        """The meter as a request at `t` finds it that meets `met`."""
        return Face(self, t, met)

    def words(self, t: float, met: Sequence[m.Once]) -> Words:
        """All registers of one moment."""
        settings, profile = self._settings(met), self.profile(t)
        waking = [f for f in met if isinstance(f, m.Asleep) and t >= f.end]
        still = [f.begin for f in met if isinstance(f, m.Stale)] + [f.begin for f in waking if f.wakes == "stale"]
        moment = min(still, default=t)
        zeros = any(isinstance(f, m.Zeros) for f in met) or any(f.wakes == "zeros" for f in waking)
        words = self._plain(profile, settings, moment, zeros=zeros)
        for torn in (f for f in met if isinstance(f, m.Torn)):
            before = self._plain(profile, settings, max(0.0, moment - m.seconds(torn.lag)), zeros=zeros)
            words.update({at: before[at] for at in _part(profile, settings, torn)})
        for name in _unavailable(profile, met, t):
            words.update(_marked(profile, settings, name))
        return identity.words(profile, settings, self.identity(t)) | words | self._further(t)

    def _plain(self, profile: Profile, settings: Settings, t: float, *, zeros: bool) -> Words:
        if self._replayed:
            return dict(next(words for at, words in reversed(self._replayed) if at <= t or at == self._replayed[0][0]))
        shown = dict.fromkeys(Measurand, 0.0) if zeros else self._history.shown(t)
        return dict(image(profile, settings, shown).words)

    def _settings(self, met: Iterable[m.Once]) -> Settings:
        changed = [f.word_order for f in met if isinstance(f, m.Keypad) and f.word_order]
        return msgspec.structs.replace(self.spec.settings, word_order=changed[-1]) if changed else self.spec.settings

    def _further(self, t: float) -> Words:
        """Registers that were given as they are."""
        words = dict(codec.unpack(self.spec.words))
        for fault in self._faults:
            if isinstance(fault, (m.Swapped, m.CtRatio, m.Keypad)) and fault.begin <= t < fault.end:
                words.update(codec.unpack(fault.words))
        return words


@dataclass(frozen=True, slots=True)
class Face:
    """One meter at one moment, for one request."""

    meter: Simulated
    t: float
    met: Sequence[m.Once]

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        profile, settings = self.meter.profile(self.t), self.meter.spec.settings
        alone = identity.alone(profile, settings, self.meter.identity(self.t))
        words = self.meter.words(self.t, self.met)
        return Image(profile.adapted(settings), words, settings.shift, alone).read(table, address, count)

    def server_id(self) -> bytes:
        return identity.server_id(self.meter.profile(self.t), self.meter.identity(self.t))

    def device_id(self) -> dict[int, bytes]:
        return identity.device_id(self.meter.profile(self.t), self.meter.identity(self.t))


def _history(spec: Meter, profile: Profile, clock: Clock, faults: Sequence[m.Once]) -> History:
    counts, sign = _FLOWS[spec.flow]
    load = spec.load
    device = Device(
        name=spec.id,
        bus=spec.line,
        unit=spec.unit,
        profile=spec.profile,
        curve=Curve(
            shape=load.curve if load else "constant",
            peak=float(load.watts) if load else 0.0,
            seed=load.seed if load else 0,
        ),
        settings=spec.settings,
        counts=counts,
        opening=float(spec.opening),
        power_factor=float(load.power_factor) if load else 1.0,
        sign=sign,
    )
    return History(
        device=device,
        clock=clock,
        faults=faults,
        netted=profile.summation != "per_phase",
        modulus=_modulus(profile, counts),
        values={MEASURANDS[name]: float(value) for name, value in spec.values.items()},
    )


def _modulus(profile: Profile, counts: Measurand) -> float:
    """kWh after which the profile's counter starts again; 0 when its type does not say."""
    value = profile.values.get(counts.name.lower())
    if value is None or value.type in _NANS:
        return 0.0
    signed = value.type.startswith("int")
    return float((value.modulus or 2 ** (16 * WORDS[value.type] - signed)) * value.scale)


def _part(profile: Profile, settings: Settings, torn: m.Torn) -> Iterator[tuple[Table, int]]:
    """The addresses of the part of a value that lags behind."""
    number, *terms = profile.number_spans(torn.value)
    scale = profile.values[torn.value].scale_register
    half = number.count // 2 or number.count
    order = profile.values[torn.value].word_order or settings.word_order or profile.word_order
    first = (torn.part == "high") == (order == "big")
    halves = (number.at, number.at + half) if first else (number.end - half, number.end)
    parts = {"terms": [(term.at, term.end) for term in terms], "scale": []}
    if scale:
        parts["scale"] = [(scale.at, scale.at + WORDS[scale.type])]
    for begin, end in parts.get(torn.part, [halves]):
        for at in range(settings.shift + begin, settings.shift + end):
            yield number.table, at


def _unavailable(profile: Profile, met: Iterable[m.Once], t: float) -> set[str]:
    """Names of the values that show "no value" at `t`."""
    names = {name for f in met if isinstance(f, m.NotANumber) for name in f.values or profile.read}
    nights = [f for f in met if isinstance(f, m.Asleep)]
    asleep = any((f.how if t < f.end else f.wakes) == "nan" for f in nights)
    return names | set(profile.read if asleep else ())


def _marked(profile: Profile, settings: Settings, name: str) -> Words:
    """The registers of value `name` when it shows the meter's mark for "no value"."""
    value, span = profile.values[name], profile.span(name)
    marks = (*value.sentinels, *profile.sentinels.get(value.type, ()))
    lowest = ("8" if value.type.startswith("int") else "F") + ("0" if value.type.startswith("int") else "F") * 15
    text = _NANS.get(value.type) or (marks[0][2:].replace("x", "0") if marks else lowest[: 4 * span.count])
    words = [int(text[i : i + 4], 16) for i in range(0, len(text), 4)]
    if (value.word_order or settings.word_order or profile.word_order) == "little":
        words.reverse()
    if (value.byte_order or settings.byte_order or profile.byte_order) == "little":
        words = [word >> 8 | (word & 0xFF) << 8 for word in words]
    return {(span.table, settings.shift + span.at + i): word for i, word in enumerate(words)}
