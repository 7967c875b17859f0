"""Which meter this is: by what it says of itself, else by the profile under which its numbers make sense.

A meter is asked each thing once (`Interview`); silence about itself is no fault, for few meters can say who they are. A
profile whose identification rules all hold is *identified*. Without one, every profile reads its volts, hertz, currents
and power, and the most plausible come first: that is a guess, and is called one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TypeVar

from drivers import blocks, probe
from drivers.bus import Bus
from drivers.candidate import Candidate, ranked
from drivers.errors import ExceptionReply, MeterError, NoReply, Unreachable
from mrv import codec
from mrv.binding import Settings
from mrv.errors import BadInput, Fault, fault
from mrv.identity import spoken
from mrv.profile import WORDS, Profile, Span
from mrv.profile_device import Chain, DeviceId, Evidence, Item, RegisterIs, ServerId, SunSpecModels

Answer = TypeVar("Answer")

#: What tells a right decoding from a wrong one: every meter under voltage has some of these.
TELLING = (
    "voltage_l1", "voltage_l2", "voltage_l3", "voltage_l1_l2", "frequency", "current_l1", "current_l2", "current_l3",
    "active_power_l1", "active_power_l2", "active_power_l3", "active_power", "power_factor",
)  # fmt: skip
#: "SunS" in two registers begins a SunSpec chain; the id 0xFFFF ends it.
_SUNS, _END = (0x5375, 0x6E53), 0xFFFF
_LONGEST_CHAIN = 40
#: Where a SunSpec chain may begin, for profiles that do not say.
_BASES = (40000, 50000, 0)
#: Unanswered questions in a row after which a meter counts as gone.
_GONE = 4


class Interview:
    """One unit on a line, asked everything at most once. What it refuses or leaves unanswered is None.

    Raises Unreachable when the line is away, and NoReply when the meter has left it.
    """

    def __init__(self, bus: Bus, unit: int) -> None:
        self.unit = unit
        self._bus = bus
        self._words: dict[Span, tuple[int, ...] | None] = {}
        self._server: list[bytes | None] = []
        self._objects: dict[int, Mapping[int, bytes] | None] = {}
        self._chains: dict[int, dict[int, int]] = {}
        self._silent = 0
        #: Every question that was sent, for people who want to know what a scan costs.
        self.questions = 0

    async def words(self, span: Span) -> tuple[int, ...] | None:
        """The content of these registers (wire addresses)."""
        if span not in self._words:
            try:
                self._words[span] = self._said(await self._bus.read(self.unit, span.table, span.at, span.count))
            except MeterError as error:
                self._words[span] = None
                self._unsaid(error)
        return self._words[span]

    async def server_id(self) -> bytes | None:
        """The answer to function 0x11."""
        if not self._server:
            try:
                self._server.append(self._said(await self._bus.server_id(self.unit)))
            except MeterError as error:
                self._server.append(None)
                self._unsaid(error)
        return self._server[0]

    async def object(self, number: int) -> bytes | None:
        """One identification object (0x2B / 0x0E); the basic ones come together."""
        first = 0 if number < 3 else number
        if first not in self._objects:
            try:
                self._objects[first] = self._said(await self._bus.device_id(self.unit, first))
            except MeterError as error:
                self._objects[first] = None
                self._unsaid(error)
        return (self._objects[first] or {}).get(number)

    async def chain(self, base: int) -> dict[int, int]:
        """SunSpec models -> address of their id register, of the chain that begins at `base`; empty without one."""
        if base not in self._chains:
            self._chains[base] = await self._walk(base)
        return self._chains[base]

    async def _walk(self, base: int) -> dict[int, int]:
        found: dict[int, int] = {}
        at = base + 2
        if await self.words(Span("h", base, 2)) != _SUNS:
            return found
        for _ in range(_LONGEST_CHAIN):
            head = await self.words(Span("h", at, 2)) if at < 65534 else None
            if head is None or head[0] in (0, _END):
                break
            found.setdefault(head[0], at)
            at += 2 + head[1]
        return found

    def _said(self, answer: Answer) -> Answer:
        self.questions, self._silent = self.questions + 1, 0
        return answer

    async def there(self) -> None:
        """Raises NoReply when nobody has this id; any answer will do, a refusal too."""
        try:
            self._said(await self._bus.read(self.unit, "h", 0, 2))
        except ExceptionReply:
            return

    def _unsaid(self, error: MeterError) -> None:
        self.questions += 1
        if isinstance(error, Unreachable):
            raise error
        self._silent = self._silent + 1 if isinstance(error, NoReply) else 0
        if self._silent >= _GONE:
            raise error


async def candidates(interview: Interview, library: Iterable[Profile]) -> tuple[Candidate, ...]:
    """The profiles that may be this meter's, best first; only those that make some sense."""
    profiles = {profile.id: profile for profile in library}
    known = [found for profile in profiles.values() if (found := await recognised(interview, profile, profiles))]
    if known:  # a variant may be recognised by itself, too
        once = {(one.profile.id, one.settings.base): one for one in known}
        return ranked([await sampled(interview, candidate) for candidate in once.values()])
    guesses = [await sampled(interview, Candidate(profile=p)) for p in profiles.values() if not p.relative]
    return ranked(guess for guess in guesses if guess.score > 0)


async def recognised(interview: Interview, profile: Profile, library: Mapping[str, Profile]) -> Candidate | None:
    """`profile` (or its variant of which there is evidence) as identified; None when a rule fails or there is none."""
    if not profile.identify and profile.sunspec is None:
        return None
    model = ""
    for rule in profile.identify:
        meaning = await holds(interview, profile, rule)
        if meaning is None:
            return None
        model = meaning or model
    base = await _base(interview, profile.sunspec, profile.sunspec.models) if profile.sunspec else None
    if profile.relative and base is None:
        return None
    chosen = await _variant(interview, profile, library)
    return Candidate(profile=chosen, settings=Settings(base=base), model=model, identified=True)


async def _variant(interview: Interview, profile: Profile, library: Mapping[str, Profile]) -> Profile:
    """The map the device's own words ask for: another firmware, another setting."""
    for variant in profile.variants:
        held = [await holds(interview, profile, rule) is not None for rule in variant.when]
        if held and all(held) and variant.profile in library:
            return library[variant.profile]
    return profile


async def _base(interview: Interview, chain: Chain | None, models: tuple[int, ...]) -> int | None:
    """The wire address of the id register of the first of `models` on the chain."""
    for start in chain.bases if chain else _BASES:
        found = await interview.chain(start)
        at = next((found[model] for model in models if model in found), None)
        if at is not None:
            return at
    return None


async def holds(interview: Interview, profile: Profile, rule: Evidence) -> str | None:
    """What the answer to `rule` means ("" where it names nothing), or None when it speaks against the profile."""
    if isinstance(rule, SunSpecModels):
        return "" if await _base(interview, profile.sunspec, rule.models) is not None else None
    if isinstance(rule, ServerId):
        said = await interview.server_id()
        means = {int(key, 16): meaning for key, meaning in rule.means.items()}
        return means.get(said[0]) if said else None
    if isinstance(rule, DeviceId):
        told = await interview.object(rule.object)
        return None if told is None else begins(rule.means, told.decode("ascii", "replace").strip("\0 "))
    return await _register(interview, profile, rule)


def begins(means: Mapping[str, str], text: str) -> str | None:
    """The meaning of the longest key `text` begins with; None when there is none."""
    fitting = [key for key in means if text.startswith(key)]
    return means[max(fitting, key=len)] if fitting else None


async def _register(interview: Interview, profile: Profile, rule: RegisterIs) -> str | None:
    content = await said(interview, profile, rule.item)
    if content is None:
        return None
    return rule.means.get(content) if rule.item.type in WORDS else begins(rule.means, content)


async def said(interview: Interview, profile: Profile, item: Item, shift: int = 0) -> str | None:
    """The content of an item; of a SunSpec model where the chain has it. None where the meter has nothing there."""
    span = item.span(profile.table)
    at = span.at + shift
    if item.model is not None:
        base = await _base(interview, profile.sunspec, (item.model,))
        if base is None:
            return None
        span, at = Span("h", item.at, item.length), base + item.at
    words = await registers(interview, profile, Span(span.table, at, span.count), shift)
    return None if words is None else spoken(profile, item, list(words))


async def registers(interview: Interview, profile: Profile, span: Span, shift: int = 0) -> tuple[int, ...] | None:
    """The words at `span` (wire addresses), asked for in the way the device answers them."""
    block = blocks.fetch(profile, span, shift)
    words = await interview.words(Span(block.table, block.first, block.count))
    return None if words is None else words[span.at - block.first :][: span.count]


async def serial(interview: Interview, candidate: Candidate) -> str:
    """The serial number the meter gives, "" where it has none."""
    profile, shift = candidate.profile.adapted(candidate.settings), candidate.settings.shift
    item = profile.serial_number
    return (await said(interview, profile, item, shift) or "") if item else ""


async def unmet(interview: Interview, candidate: Candidate) -> tuple[Fault, ...]:
    """Settings of the meter without which its profile is not true, with what to do about them."""
    found = []
    profile, shift = candidate.profile.adapted(candidate.settings), candidate.settings.shift
    for one in profile.requires:
        content = await said(interview, profile, one.item, shift)
        if content is not None and content not in one.equals:
            found.append(fault("tool.requirement_unmet", candidate.profile.id, hint=one.hint, found=content))
    return tuple(found)


async def sampled(interview: Interview, candidate: Candidate, names: tuple[str, ...] = TELLING) -> Candidate:
    """`candidate` with what it reads of `names`; a block the meter refuses leaves its values out."""
    wanted = tuple(name for name in names if name in candidate.profile.values)
    words: probe.Words = {}
    try:
        blocks = probe.requests(candidate.profile, candidate.settings, wanted) if wanted else ()
    except BadInput:  # an offset leads out of the address space
        blocks = ()
    for block in blocks:
        found = await interview.words(Span(block.table, block.first, block.count))
        words.update({(block.table, block.first + n): word for n, word in enumerate(found or ())})
    values = codec.decode(candidate.profile, candidate.settings, words).values if words else {}
    return dataclasses.replace(candidate, values={m: v for m, v in values.items() if m.name.lower() in wanted})
