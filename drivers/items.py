"""What a meter's identity and settings registers say, as people and rules write it.

Pure. A number in decimal, text without its padding, anything else in hex: the form in which identification rules,
serial numbers and fingerprints are compared.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from mrv.codec import ordered
from mrv.profile import WORDS, Profile
from mrv.profile_device import Item

_FLOATS = {"float32": ">f", "float64": ">d"}
_SIGNED = frozenset(("int16", "int32", "int64", "sunssf"))


def spoken(item: Item, profile: Profile, words: Sequence[int]) -> str:
    """The content of `words`, the registers of `item`."""
    if item.type in WORDS:
        orders = (item.byte_order or profile.byte_order, item.word_order or profile.word_order)
        return _number(item.type, ordered(list(words), *orders))
    data = ordered(list(words), item.byte_order or "big", "big")
    if item.type == "hex":
        return data.hex()
    return data.decode("ascii" if item.type == "ascii" else "utf-16-be", "replace").strip("\0 ")


def _number(kind: str, data: bytes) -> str:
    if kind in _FLOATS:
        (found,) = struct.unpack(_FLOATS[kind], data)
        return f"{found:.0f}" if math.isfinite(found) and found == int(found) else f"{found:g}"
    return str(int.from_bytes(data, "big", signed=kind in _SIGNED))


def begins(means: Mapping[str, str], text: str) -> str | None:
    """The meaning of the longest key `text` begins with; None when there is none."""
    fitting = [key for key in means if text.startswith(key)]
    return means[max(fitting, key=len)] if fitting else None
