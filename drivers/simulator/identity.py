"""Who a simulated meter says it is: serial number, firmware, model and settings where its profile says they stand.

The profile's rules of recognition turned round: whatever the first of them accepts is what is shown. A meter of a
SunSpec chain gets the chain too: "SunS", the common model and the end mark, as a walk through it expects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.simulator.registers import Words
from mrv.binding import Settings
from mrv.profile import WORDS, Item, Profile, Table
from mrv.profile_device import DeviceId, Meanings, RegisterIs, ServerId

#: SunSpec Device Information Model Specification 1.9, 6.2 and 6.3: mark, common model with its two lengths, end.
_SUNS, _COMMON, _COMMON_LENGTHS, _END = (0x5375, 0x6E53), 1, (66, 65), 0xFFFF
#: Registers that follow the length register of a model (github.com/sunspec/models @7abdf8982d53, json/).
_LENGTHS = {101: 50, 102: 50, 103: 50, 111: 60, 112: 60, 113: 60, 201: 105, 202: 105, 203: 105, 204: 105}
_LENGTHS |= {211: 124, 212: 124, 213: 124, 214: 124}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What one meter says of itself."""

    serial: str
    firmware: str
    model: str | None = None


def words(profile: Profile, settings: Settings, who: Identity) -> Words:
    """The registers in which `profile` looks for identity and settings, but those that must be asked for alone."""
    profile = profile.adapted(settings)
    found: Words = {}
    for item, content in _contents(profile, who):
        if not item.alone:
            found.update(_written(profile, settings, item, content))
    return _chain(profile, settings, who) | found if profile.sunspec else found


def alone(profile: Profile, settings: Settings, who: Identity) -> dict[tuple[Table, int, int], tuple[int, ...]]:
    """What a request of just these registers gets, which in a longer one are something else."""
    profile = profile.adapted(settings)
    found = {}
    for item, content in _contents(profile, who):
        words = _written(profile, settings, item, content) if item.alone else {}
        if words:
            (table, first), count = min(words), len(words)
            found[table, first, count] = tuple(words[table, first + i] for i in range(count))
    return found


def _contents(profile: Profile, who: Identity) -> Iterator[tuple[Item, str]]:
    yield from ((item, "0" if item.type in WORDS else "") for item in profile.fingerprint)
    yield from ((requirement.item, requirement.equals[0]) for requirement in profile.requires)
    yield from ((r.item, _meant(r.means, who.model)) for r in profile.identify if isinstance(r, RegisterIs))
    if profile.serial_number:
        yield profile.serial_number, who.serial
    if profile.firmware:
        yield profile.firmware, who.firmware


def server_id(profile: Profile, who: Identity) -> bytes:
    """The content of the answer to function 0x11: the id, and that it runs (0xFF)."""
    rules = [rule for rule in profile.identify if isinstance(rule, ServerId)]
    return bytes.fromhex(_meant(rules[0].means, who.model)[2:]) + b"\xff" if rules else b""


def device_id(profile: Profile, who: Identity) -> dict[int, bytes]:
    """The objects of the answer to function 0x2B/0x0E; maker, model and revision are mandatory where there are any."""
    rules = [rule for rule in profile.identify if isinstance(rule, DeviceId)]
    if not rules:
        return {}
    objects = {0: profile.maker, 1: who.model or profile.models[0], 2: who.firmware}
    objects |= {rule.object: _meant(rule.means, who.model) for rule in rules}
    return {number: text.encode("ascii", "replace")[:240] for number, text in objects.items()}


def _meant(means: Meanings, model: str | None) -> str:
    """The content that stands for `model`, else the first that stands for anything."""
    return next((content for content, meaning in means.items() if meaning == model), next(iter(means)))


def _written(profile: Profile, settings: Settings, item: Item, content: str) -> Words:
    """`content` in the registers of `item`."""
    span = item.span(profile.table)
    first = _first(profile, settings, item)
    if first is None:
        return {}
    data = _bytes(item, content)
    pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
    number = item.type in WORDS
    if (item.word_order or (profile.word_order if number else "big")) == "little":
        pairs.reverse()
    order = item.byte_order or (profile.byte_order if number else "big")
    return {(span.table, first + i): int.from_bytes(pair, order) for i, pair in enumerate(pairs)}


def _first(profile: Profile, settings: Settings, item: Item) -> int | None:
    """The wire address of `item`; None for one in a SunSpec model that is not in the chain simulated here."""
    if item.model is None:
        return settings.shift + item.at
    start = _models(profile, settings).get(item.model)
    return None if start is None else start + item.at


def _bytes(item: Item, content: str) -> bytes:
    size = 2 * item.length
    if item.type in WORDS:
        digits = "".join(c for c in content if c.isdigit()) or "0"
        number = int(digits) % (1 << 8 * size - 1)
        return number.to_bytes(size, "big")
    if item.type == "hex":
        text = content.removeprefix("0x")
        data = bytes.fromhex(text) if len(text) % 2 == 0 and set(text) <= set("0123456789abcdefABCDEF") else b""
        return data.rjust(size, b"\0")[-size:]
    letters = content.encode("utf-16-be" if item.type == "utf16" else "ascii", "replace")
    return letters[:size].ljust(size, b"\0")


# -- SunSpec ---------------------------------------------------------------------------------------------------------


def _models(profile: Profile, settings: Settings) -> dict[int, int]:
    """Model id -> address of its id register: the common model, and the profile's own right behind it."""
    own = profile.sunspec.models[0] if profile.sunspec else 0
    return {_COMMON: settings.shift - _common_length(profile, settings) - 2, own: settings.shift}


def _common_length(profile: Profile, settings: Settings) -> int:
    """The one under which the chain begins where such a chain may; the first where neither does."""
    bases = profile.sunspec.bases if profile.sunspec else ()
    return next((n for n in _COMMON_LENGTHS if settings.shift - n - 4 in bases), _COMMON_LENGTHS[0])


def _chain(profile: Profile, settings: Settings, who: Identity) -> Words:
    models, table = _models(profile, settings), profile.guard_spans()[0].table if profile.guards else "h"
    common = models[_COMMON]
    if common < 2:
        return {}  # an address at which no chain can have begun
    own = settings.shift
    length = _LENGTHS.get(profile.sunspec.models[0] if profile.sunspec else 0, 50)
    placed = _run(table, common - 2, (*_SUNS, _COMMON, _common_length(profile, settings)))
    texts = (
        (2, 16, profile.maker),
        (18, 16, who.model or profile.models[0]),
        (42, 8, who.firmware),
        (50, 16, who.serial),
    )
    for at, count, text in texts:
        data = text.encode("ascii", "replace")[: 2 * count].ljust(2 * count, b"\0")
        placed |= _run(table, common + at, [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)])
    return placed | _run(table, own + 1, (length,)) | _run(table, own + 2 + length, (_END, 0))


def _run(table: Table, first: int, content: Iterable[int]) -> Words:
    return {(table, first + i): word for i, word in enumerate(content)}
