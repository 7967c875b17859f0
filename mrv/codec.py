"""Register words <-> exact numbers: a whole meter, as its profile and its settings have it.

A float32 or float64 is taken as the exact binary fraction it stands for (mrv.register) and rounded once, half to even,
to the profile's decimals; integers are scaled exactly. The office and the auditor decode the words of a reading with
this very module, so it must not depend on a bus, a locale, a decimal context or the order in which words arrive. What a
meter marks as "no value" is absent with a reason, never a number.

Counters are decoded as the meter shows them, before any transformer ratio; `ratio` is what their differences are
multiplied by, read from the same words. Instantaneous values are decoded with the ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, partial

from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.number import in_bounds, rounded, spell
from mrv.profile import MEASURANDS, Factor, Profile, ScaleRegister, Sign, Table, Value
from mrv.register import FACTOR, GUARD, MISSING, RATIO, REASONS, SCALE, SIGN, Absent, Number, matches, placed, spelled
from mrv.words import Layout, Packed, Words, ordered, pack, unpack

__all__ = [
    "REASONS",
    "Decoded",
    "Decoder",
    "Words",
    "addresses",
    "decode",
    "ordered",
    "pack",
    "ratio",
    "registers",
    "unpack",
]

#: SunSpec Device Information Model Specification, sunssf: a signed power of ten from -10 to 10.
_POWERS = range(-10, 11)
_COUNTERS = {name: measurand for name, measurand in MEASURANDS.items() if measurand.cumulative}
_NAMED = {measurand: (measurand.obis, name) for name, measurand in _COUNTERS.items()}
_fraction = lru_cache(maxsize=256)(Fraction)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the words say: numbers in the measurand's unit at the profile's decimals, and why others are absent."""

    values: dict[Measurand, Decimal] = field(default_factory=dict)
    absent: dict[Measurand, str] = field(default_factory=dict)


def decode(profile: Profile, settings: Settings, words: Words) -> Decoded:
    """`Decoder.decode`, once."""
    return Decoder(profile, settings).decode(words)


def registers(profile: Profile, decoded: Decoded) -> dict[str, str]:
    """The cumulative values by OBIS code, spelled with the profile's decimals: `Reading.registers`."""
    return {
        counter[0]: spell(value, profile.values[counter[1]].decimals)
        for measurand, value in decoded.values.items()
        if (counter := _NAMED.get(measurand))
    }


def ratio(profile: Profile, settings: Settings, words: Words) -> Fraction | None:
    """What a difference of native counts is multiplied by at the instant of `words`.

    1 where the meter counts primary energy already, the site's constant, or the product of the ratio registers. None
    when it cannot be told: a ratio register is not there or 0, or the settings give a ratio the profile has no use for.
    """
    sides = {profile.values[name].ratio for name in profile.counters}
    image = _Image(profile.adapted(settings), settings, Packed.of(words))
    try:
        return image.ratio(sides.pop() if sides else None) if len(sides) <= 1 else None
    except Absent:
        return None


def addresses(profile: Profile, settings: Settings, names: tuple[str, ...]) -> Iterator[tuple[Table, int]]:
    """The wire addresses of all words the values `names` and the guards are made of, factors and ratios included."""
    profile, shift = profile.adapted(settings), settings.shift
    spans = [span for name in names for span in profile.spans(name)]
    for span in (*profile.guard_spans(), *spans, *profile.factor_spans(names)):
        for address in range(shift + span.at, shift + span.end):
            yield span.table, address


@dataclass(frozen=True, slots=True)
class _Row:
    """One value of a profile, with its numbers; a scale of 1 is None.

    `alone`, where no other word has a part in it: from its bytes to the value. Many registers stand still from one
    reading to the next.
    """

    name: str
    measurand: Measurand
    value: Value
    number: Number
    scale: Fraction | None
    terms: tuple[tuple[Number, Fraction], ...]
    sign: Number | None
    scale_register: Number | None
    alone: Callable[[bytes], Decimal] | None


def _row(profile: Profile, shift: int, name: str) -> _Row:
    value = profile.values[name]
    sign, register = value.sign, value.scale_register
    number = placed(profile, shift, value, value.at, value.type, value.sentinels, value.most)
    scale = Fraction(value.scale) if value.scale != 1 else None
    further = value.plus or sign or register or value.scaled_by or value.ratio
    return _Row(
        name=name,
        measurand=MEASURANDS[name],
        value=value,
        number=number,
        scale=scale,
        terms=tuple(
            (placed(profile, shift, value, term.at, term.type, (), term.most), Fraction(term.scale))
            for term in value.plus
        ),
        sign=placed(profile, shift, value, sign.at, sign.type) if sign else None,
        scale_register=placed(profile, shift, value, register.at, register.type) if register else None,
        alone=None if further else lru_cache(maxsize=16)(partial(_alone, number, scale, value)),
    )


def _alone(number: Number, scale: Fraction | None, value: Value, data: bytes) -> Decimal:
    found = number.of(data)
    return _finished(value, found if scale is None else found * scale)


def _finished(value: Value, number: Fraction) -> Decimal:
    return rounded(_unfolded(number) if value.decode == "four_quadrant" else number, value.decimals)


class Decoder:
    """`profile` for a meter with `settings`, made ready: what does not depend on the words is found out once.

    With `counters` only for cumulative values: all that a judge compares.
    """

    def __init__(self, profile: Profile, settings: Settings, *, counters: bool = False) -> None:
        self.profile = profile
        self._adapted, self._settings = profile.adapted(settings), settings
        self._read = frozenset(profile.read)
        names = [name for name in profile.values if not counters or name in _COUNTERS]
        self._rows = tuple(_row(self._adapted, settings.shift, name) for name in names)
        self._layout: Layout | None = None
        self._there: tuple[_Row, ...] = ()

    def decode(self, words: Words) -> Decoded:
        """Decode every value whose words are given; those of `profile.read` are absent without them.

        Never raises: a wrong or missing word makes values absent. A word that is not what `profile.guards` demands
        makes all of them so.
        """
        packed, decoded = Packed.of(words), Decoded()
        image = _Image(self._adapted, self._settings, packed)
        if self.profile.guards and not image.guards_hold():
            decoded.absent.update({MEASURANDS[name]: GUARD for name in self.profile.read})
            return decoded
        for row in self._asked(packed.layout):
            try:
                decoded.values[row.measurand] = image.value(row)
            except Absent as absent:
                if row.name in self._read or str(absent) != MISSING:
                    decoded.absent[row.measurand] = str(absent)
        return decoded

    def _asked(self, layout: Layout) -> tuple[_Row, ...]:
        """The rows that words of this layout have something to say of, or should."""
        if layout is not self._layout:
            there = (row for row in self._rows if row.name in self._read or row.number.places[0] in layout.index)
            self._layout, self._there = layout, tuple(there)
        return self._there


class _Image:
    """The words of one instant, seen through a profile. Its methods raise Absent."""

    __slots__ = ("_known", "_profile", "_settings", "_shift", "_words")

    def __init__(self, profile: Profile, settings: Settings, words: Packed) -> None:
        self._profile, self._settings, self._words = profile, settings, words
        self._shift = settings.shift
        self._known: dict[str, Fraction] = {}

    def guards_hold(self) -> bool:
        held = (
            matches(f"0x{self._words.get((span.table, self._shift + span.at), 0):04X}", guard.equals)
            for guard, span in zip(self._profile.guards, self._profile.guard_spans(), strict=True)
        )
        return all(held)

    def value(self, row: _Row) -> Decimal:
        value, data = row.value, row.number.content(self._words)
        if row.alone:
            return row.alone(data)
        number = row.number.of(data)
        if row.scale is not None:
            number *= row.scale
        for term, scale in row.terms:
            number += term.read(self._words) * scale
        if row.sign and value.sign:
            number *= _signed(row.sign.content(self._words), value.sign)
        if row.scale_register and value.scale_register:
            number *= self._scale(row.scale_register, value.scale_register)
        if value.scaled_by or value.ratio:
            number *= self._settings_of(value, counter=row.name in _COUNTERS)
        return _finished(value, number)

    def _settings_of(self, value: Value, *, counter: bool) -> Fraction:
        """What settings of the meter multiply `value` by. A counter must have its ratio, and is kept without it."""
        found = Fraction(1)
        for name in value.scaled_by:
            found *= self.factor(name)
        if value.ratio:
            primary = self.ratio(value.ratio)
            found *= 1 if counter else primary
        return found

    def _scale(self, number: Number, register: ScaleRegister) -> Fraction:
        try:
            content = number.read(self._words) * _fraction(register.scale)
        except Absent as absent:
            raise Absent(MISSING if str(absent) == MISSING else SCALE) from None
        found = _applied(register.kind, content)
        if found is None:
            raise Absent(SCALE)
        return found

    def factor(self, name: str) -> Fraction:
        """The factor called `name`, decided once per image."""
        if name not in self._known:
            factor = self._profile.factors[name]
            content = self._content(name, factor)
            found = _stepped(factor, content) if factor.kind == "steps" else _applied(factor.kind, content)
            if found is None:
                raise Absent(FACTOR)
            self._known[name] = found
        return self._known[name]

    def _content(self, name: str, factor: Factor) -> Fraction:
        if factor.at is None or factor.type is None:
            given = self._settings.parameters.get(name)
            if given is None or not in_bounds(given):
                raise Absent(FACTOR)
            content = Fraction(given)
        else:
            try:
                content = placed(self._profile, self._shift, factor, factor.at, factor.type).read(self._words)
            except Absent as absent:
                raise Absent(MISSING if str(absent) == MISSING else FACTOR) from None
        content *= _fraction(factor.scale)
        for other in factor.times:
            content *= self.factor(other)
        return content

    def ratio(self, side: str | None) -> Fraction:
        """What a value on `side` (ct, vt, ct_vt, or None: primary) is multiplied by."""
        settings, source = self._settings, self._profile.ratio.source if self._profile.ratio else None
        if source is None:
            return settings.factor
        if source == "site":
            return self._of_site(side)
        if settings.ratio or settings.vt_ratio:
            raise Absent(RATIO)
        found = Fraction(1)
        if source == "register" and self._profile.ratio:
            try:
                for name in self._profile.ratio.names(side):
                    found *= self.factor(name)
            except Absent as absent:
                raise Absent(MISSING if str(absent) == MISSING else RATIO) from None
        return found

    def _of_site(self, side: str | None) -> Fraction:
        if self._settings.ratio is None:
            raise Absent(RATIO)
        ct, vt = self._settings.ct, self._settings.vt
        return {"ct": ct, "vt": vt, "ct_vt": ct * vt}.get(side or "", Fraction(1))


def _applied(kind: str, content: Fraction) -> Fraction | None:
    """The factor that `content` is in the manner of `kind`; None if it is none."""
    if kind == "power_of_ten":
        return Fraction(10) ** int(content) if content in _POWERS else None
    if not content:
        return None
    return content if kind == "multiply" else 1 / content


def _stepped(factor: Factor, content: Fraction) -> Fraction | None:
    for step in factor.steps:
        if step.below is None or content < Fraction(step.below):
            return Fraction(step.factor)
    return None


def _signed(data: bytes, sign: Sign) -> int:
    if matches(spelled(data), sign.negative):
        return -1
    if matches(spelled(data), sign.positive):
        return 1
    raise Absent(SIGN)


def _unfolded(number: Fraction) -> Fraction:
    """Schneider's four-quadrant power factor: beyond 1 and -1 it comes back, and then is leading."""
    return 2 - number if number > 1 else -2 - number if number < -1 else number
