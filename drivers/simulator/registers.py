"""What a meter shows -> its register image, by its profile: the codec's mirror, written apart from it.

One image is one instant: power and counters of a reply always belong together. What a meter shows is what its circuit
carries: where the profile says that registers stand on the secondary side, they hold it divided by the ratio. A
simulator that encodes by the same profile as the decoder cannot show that the profile is right; golden captures of real
meters do that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers.simulator.frames import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refusal
from drivers.simulator.numbers import encoded, largest
from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.profile import MEASURANDS, TABLES, Factor, Order, Profile, Stretch, Table, Value

Words = dict[tuple[Table, int], int]
#: SunSpec's range for a power-of-ten register.
_EXPONENTS = range(-10, 11)


@dataclass(frozen=True, slots=True)
class Image:
    """The registers of one meter at one instant; what lies between two of them reads 0, as in most meters."""

    profile: Profile
    words: Words
    #: What is added to an address of the profile to get the wire's.
    shift: int = 0
    #: What stands there for a request of exactly these registers (table, address, count), whatever a longer one gets.
    alone: Mapping[tuple[Table, int, int], tuple[int, ...]] = field(default_factory=dict)

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        """`count` words from wire address `address`. Raises Refusal for what this meter would not answer."""
        if (table, address, count) in self.alone:
            return self.alone[table, address, count]
        limits = self.profile.limits
        if not 1 <= count <= limits.registers:
            raise Refusal(ILLEGAL_VALUE)
        align = limits.align if table == TABLES[self.profile.table] else 1
        if address % align or count % align or not self._holds(table, address, count):
            raise Refusal(ILLEGAL_ADDRESS)
        return tuple(self.words.get((table, at), 0) for at in range(address, address + count))

    def _holds(self, table: Table, address: int, count: int) -> bool:
        held = [at for letter, at in self.words if letter == table]
        whole = (block for block in self.profile.limits.whole if TABLES[block.table] == table)
        held += [self.shift + end for block in whole for end in (block.first, block.last)]
        if not held or address < min(held) or address + count > max(held) + 1:
            return False
        limits, asked = self.profile.limits, range(address - self.shift, address - self.shift + count)
        if any(_touched(limits.forbidden, table, asked)):
            return False
        crossed = (w for w in _touched(limits.windows, table, asked) if asked[0] < w.first or asked[-1] > w.last)
        torn = (w for w in _touched(limits.whole, table, asked) if (asked[0], asked[-1]) != (w.first, w.last))
        return not any(crossed) and not any(torn)


def _touched(stretches: Iterable[Stretch], table: Table, asked: range) -> Iterator[Stretch]:
    return (s for s in stretches if TABLES[s.table] == table and asked[0] <= s.last and s.first <= asked[-1])


def image(
    profile: Profile,
    settings: Settings,
    shown: Mapping[Measurand, float],
    contents: Mapping[str, float] | None = None,
) -> Image:
    """The registers of a meter that shows `shown`, which must name every value of the profile in its own unit.

    `contents` are what the factor registers say, after their `scale`, by the factor's name; where it says nothing,
    something that leaves numbers as they are.
    """
    writer = _Writer(profile.adapted(settings), settings, contents or {})
    writer.guards()
    writer.factors()
    exponents = _exponents(profile, shown)
    for name, value in profile.values.items():
        if not value.alone or name in profile.read:  # read alone it means something else than here
            writer.value(MEASURANDS[name], value, shown[MEASURANDS[name]], exponents)
    return Image(writer.profile, writer.words, settings.shift)


class _Writer:
    """Puts numbers into registers, in the order of the meter."""

    def __init__(self, profile: Profile, settings: Settings, contents: Mapping[str, float]) -> None:
        self.profile = profile
        self.words: Words = {}
        self._settings = settings
        self._contents = contents

    def guards(self) -> None:
        for guard, span in zip(self.profile.guards, self.profile.guard_spans(), strict=True):
            self.words[span.table, self._settings.shift + guard.at] = int(guard.equals[0].replace("x", "0"), 16)

    def factors(self) -> None:
        """The settings that scale values. One that is given in site.yaml has no register."""
        for name, factor in self.profile.factors.items():
            if factor.at is not None and factor.type is not None:
                content = self._contents.get(name, _neutral(factor)) / float(factor.scale)
                orders = factor.byte_order or self.profile.byte_order, factor.word_order or self.profile.word_order
                table = TABLES[factor.table or self.profile.table]
                self._place(table, factor.at, encoded(factor.type, content), *orders)

    def value(self, measurand: Measurand, value: Value, shown: float, exponents: Mapping[int, int]) -> None:
        number = shown / self._ratio(value)
        for name in value.scaled_by:
            number /= self._factor(name)
        if value.scale_register:
            number /= self._scale_register(value, exponents)
        if value.sign:
            patterns = value.sign.negative if number < 0 else value.sign.positive
            self._put(value, value.sign.at, bytes.fromhex(patterns[0][2:].replace("x", "0")))
            number = abs(number)
        counter = measurand.cumulative
        if value.modulus:
            number = math.fmod(number, value.modulus * abs(float(value.scale)))
        for term in sorted(value.plus, key=lambda term: -term.scale):
            share = number if term.scale > value.scale else number / 4
            count = math.floor(round(share / float(term.scale), 6))
            self._put(value, term.at, encoded(term.type, count, counter=counter))
            number -= count * float(term.scale)
        modulus = None if value.plus else value.modulus
        self._put(value, value.at, encoded(value.type, number / float(value.scale), counter=counter, modulus=modulus))

    def _scale_register(self, value: Value, exponents: Mapping[int, int]) -> float:
        """Write the scale register of `value`; gives the factor it makes."""
        register = value.scale_register
        if register is None:
            return 1.0
        content = exponents[register.at] if register.kind == "power_of_ten" else 1
        self._put(value, register.at, encoded(register.type, content))
        scaled = content * float(register.scale)
        return (
            10.0**scaled if register.kind == "power_of_ten" else scaled if register.kind == "multiply" else 1 / scaled
        )

    def _ratio(self, value: Value) -> float:
        if self.profile.ratio is None or value.ratio is None:
            return 1.0
        if self.profile.ratio.source == "site":
            sides = {"ct": self._settings.ct, "vt": self._settings.vt, "ct_vt": self._settings.factor}
            return float(sides[value.ratio])
        return math.prod(self._factor(name) for name in self.profile.ratio.names(value.ratio))

    def _factor(self, name: str) -> float:
        factor = self.profile.factors[name]
        content = float(self._settings.parameters[name]) if factor.is_parameter else self._register_content(name)
        content *= math.prod(self._factor(other) for other in factor.times)
        if factor.kind == "steps":
            return float(next(s.factor for s in factor.steps if s.below is None or content < s.below))
        if factor.kind == "power_of_ten":
            return float(10.0**content)
        return content if factor.kind == "multiply" else 1 / content

    def _register_content(self, name: str) -> float:
        return self._contents.get(name, _neutral(self.profile.factors[name]))

    def _put(self, value: Value, at: int, data: bytes) -> None:
        orders = value.byte_order or self.profile.byte_order, value.word_order or self.profile.word_order
        self._place(self.profile.table_of(value), at, data, *orders)

    def _place(self, table: Table, at: int, data: bytes, byte_order: Order, word_order: Order) -> None:
        pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
        if word_order == "little":
            pairs.reverse()
        for offset, pair in enumerate(pairs):
            self.words[table, self._settings.shift + at + offset] = int.from_bytes(pair, byte_order)


def _neutral(factor: Factor) -> float:
    """A content under which values stay as they are; for steps, one that the first of them covers."""
    if factor.kind == "steps":
        first = factor.steps[0].below
        return 1.0 if first is None or first > 1 else float(first) - 1
    return 0.0 if factor.kind == "power_of_ten" else 1.0


def _exponents(profile: Profile, shown: Mapping[Measurand, float]) -> dict[int, int]:
    """For each scale register the smallest power of ten at which all values it scales fit; a counter wraps instead."""
    chosen: dict[int, int] = {}
    for name, value in profile.values.items():
        if value.scale_register:
            at = value.scale_register.at
            number = 0.0 if MEASURANDS[name].cumulative else shown[MEASURANDS[name]]
            chosen[at] = max(chosen.get(at, _EXPONENTS[0]), _fitting(value, number))
    return chosen


def _fitting(value: Value, number: float) -> int:
    finest = -value.decimals - round(math.log10(abs(value.scale)))
    count = abs(number) / abs(float(value.scale))
    return next(n for n in _EXPONENTS if n >= finest and count / 10.0**n <= largest(value.type) - 1)
