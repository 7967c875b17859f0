"""Who a meter says it is: serial number, firmware, and the settings that make it another meter when they change.

A changed setting is a silent exchange: the same register means something else from then on. Read at connect and daily
(agent/identity.py), written as `meter` leaves, and compared by every reader of the log by the rules here. A meter that
shows no serial number is known by its settings and by its registers going on (mrv.counter).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mrv.binding import Settings
from mrv.codec import Words, ordered
from mrv.leaf import digest
from mrv.profile import Profile, Span
from mrv.profile_device import Item

#: SunSpec: a chain begins with "SunS", and the common model, which says who the device is, always comes first.
COMMON = 1
_MARK = (0x5375, 0x6E53, COMMON)
#: Details of an `identity` or `changed` leaf that are compared; `settings` is a digest of the settings' words.
SERIAL, FIRMWARE, SETTINGS = "serial", "firmware", "settings"
PARTS = (SERIAL, FIRMWARE, SETTINGS)
#: Why a chain is held when what the meter says is not what was approved.
BINDING = "binding"
#: After these the registers may be another meter's: nothing is subtracted across them.
BREAKS = frozenset({SERIAL, SETTINGS})
#: What a named person at the site may let pass; everything else is the office's, by approving a new binding.
SITE_MAY_ACCEPT = frozenset({FIRMWARE})

Identity = Mapping[str, str]


def parts(details: Mapping[str, str]) -> dict[str, str]:
    """What of a leaf's details says who the meter is."""
    return {name: details[name] for name in PARTS if name in details}


def changed(before: Identity, now: Identity, bound_serial: str | None) -> Iterator[str]:
    """Why a meter that says `now` is not believed to be the one that said `before`, or the one that was approved."""
    for name in PARTS:
        if name in before and name in now and before[name] != now[name]:
            yield name
    if bound_serial is not None and SERIAL in now and _plain(now[SERIAL]) != _plain(bound_serial):
        yield BINDING


def proves(now: Identity) -> bool:
    """Whether this is enough to say that it is the same meter."""
    return SERIAL in now or SETTINGS in now


def _plain(serial: str) -> str:
    """People write a serial number with blanks, dashes, leading zeros and in either case."""
    return "".join(letter for letter in serial.upper() if letter.isalnum()).lstrip("0")


def places(profile: Profile, settings: Settings) -> tuple[Span, ...]:
    """The registers to ask for, one request each, by wire address.

    An item of SunSpec's common model comes with the words its chain begins with; one of any other model stands where
    only a walk through the chain could tell, and is not asked for.
    """
    profile = profile.adapted(settings)
    found: list[Span] = []
    for item in _items(profile):
        span = _span(profile, settings, item)
        if span:
            found += [span] if item.model is None else [Span(span.table, span.at - item.at - 2, len(_MARK)), span]
    return tuple(dict.fromkeys(found))


def tellable(profile: Profile, settings: Settings) -> bool:
    """Whether the meter could prove who it is (`proves`): what it would say it with can be asked for."""
    serial = profile.serial_number
    if serial and _span(profile, settings, serial):
        return True
    return bool(profile.fingerprint) and all(_span(profile, settings, item) for item in profile.fingerprint)


def said(profile: Profile, settings: Settings, words: Words) -> dict[str, str]:
    """What the words say of the meter: serial number and firmware as text, its settings as one digest.

    A part whose words are not all there is absent: a meter that does not answer has not changed.
    """
    profile = profile.adapted(settings)
    found = {}
    for part, item in ((SERIAL, profile.serial_number), (FIRMWARE, profile.firmware)):
        content = _content(profile, settings, item, words) if item else None
        if item and content is not None:
            found[part] = spoken(profile, item, content)
    marks = [_content(profile, settings, item, words) for item in profile.fingerprint]
    for item, mark in zip(profile.fingerprint, marks, strict=True):
        if mark is not None:  # for people; the digest is what is compared
            found[f"{SETTINGS}.{item.name}"] = spoken(profile, item, mark)
    if marks and all(mark is not None for mark in marks):
        text = "\n".join("".join(f"{word:04x}" for word in mark or ()) for mark in marks)
        found[SETTINGS] = digest(text.encode())
    return found


def spoken(profile: Profile, item: Item, content: list[int]) -> str:
    """A number in decimal, text without its padding, anything else in hex."""
    order = item.word_order or profile.word_order
    if item.type in {"ascii", "utf16"}:
        data = ordered(content, item.byte_order or "big", "big")
        return data.decode("ascii" if item.type == "ascii" else "utf-16-be", "replace").strip("\0 ")
    data = ordered(content, item.byte_order or profile.byte_order, order if item.type != "hex" else "big")
    if item.type == "hex" or item.type.startswith("float"):
        return data.hex()
    return str(int.from_bytes(data, "big", signed=item.type.startswith("int")))


def _items(profile: Profile) -> Iterator[Item]:
    yield from (item for item in (profile.serial_number, profile.firmware) if item)
    yield from profile.fingerprint


def _span(profile: Profile, settings: Settings, item: Item) -> Span | None:
    """Where `item` stands on the wire; None where only the chain of models could tell."""
    if item.model is None:
        span = item.span(profile.table)
        return Span(span.table, settings.shift + span.at, span.count)
    start = _chain(profile, settings)
    return Span("h", start + 2 + item.at, item.length) if item.model == COMMON and start is not None else None


def _chain(profile: Profile, settings: Settings) -> int | None:
    """Where the chain begins that leads to the profile's model: at the nearest place before it."""
    bases = profile.sunspec.bases if profile.sunspec else ()
    return max((base for base in bases if base + 2 < settings.shift), default=None)


def _content(profile: Profile, settings: Settings, item: Item, words: Words) -> list[int] | None:
    span = _span(profile, settings, item)
    if span is None or any((span.table, at) not in words for at in range(span.at, span.end)):
        return None
    start = span.at - item.at - 2
    if item.model is not None and tuple(words.get(("h", start + i)) for i in range(len(_MARK))) != _MARK:
        return None  # no chain begins there: these words are somebody else's
    return [words[span.table, at] for at in range(span.at, span.end)]
