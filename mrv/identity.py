"""Who a meter says it is: serial number, firmware, and the settings that make it another meter when they change.

A changed setting is a silent exchange: the same register means something else from then on. Read at connect and daily
(agent/identity.py), written as `meter` leaves, and compared by every reader of the log by the rules here. A meter that
shows no serial number is known by its settings and by its registers going on (mrv.counter).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
