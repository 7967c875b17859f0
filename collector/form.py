"""A form for each kind of office record, made from its definition: what `mrv-collector records form` prints.

Nobody maintains it, so it cannot say less than the software takes. Optional lines are commented out.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import getdoc

import msgspec
from msgspec import inspect as shape

from mrv.record_parts import Record
from mrv.wanted import wanted

#: Fields a correction needs, after all others.
_LAST = ("note", "corrects", "why")
#: What a pattern would say worse.
_HINTS = {
    "site": "site id",
    "who": "the person who answers for it, as on the paper",
    "point": "point of the monitoring plan",
    "points": "[points of the monitoring plan]",
    "meter": "meter id of the wiring",
    "project": "project of the monitoring plan",
    "item": "item of the project",
    "symbol": "symbol of the methodology, such as EC",
    "ratio": "400/5",
    "unit": "kWh, MWh, m3, h, t, ...",
    "register": "active_energy_import, active_energy_export, ...",
    "document": "file:PATH of the paper, or its SHA-256",
    "photo": "file:PATH of the photo, or its SHA-256",
    "sha256": "file:PATH of the paper, or its SHA-256",
    "corrects": "digest of the record this one replaces",
    "withdraws": "digest of the record that should not be there",
    "month": "2026-03",
    "profile": "id of the profile, as in the wiring",
    "wrong": "digest of the text the readings were made under",
    "right": "digest of the text that is right, approved: mrv-collector profiles list",
}


def form(cls: type[Record]) -> str:
    """YAML with one record of kind `cls` to fill in."""
    words = (getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
    fields = sorted(msgspec.structs.fields(cls), key=lambda f: (f.name in _LAST, not f.required))
    described = shape.type_info(cls)
    types = {f.name: f.type for f in described.fields} if isinstance(described, shape.StructType) else {}
    lines = [f"# {words}", f"- kind: {cls.__struct_config__.tag}"]
    for field in fields:
        lines += _field(field.encode_name, types[field.name], required=field.required, indent="  ")
    return "\n".join(lines) + "\n"


def _field(name: str, kind: shape.Type, *, required: bool, indent: str) -> Iterator[str]:
    mark = indent if required else f"{indent}# "
    plain = _without_none(kind)
    if isinstance(plain, shape.StructType):
        yield f"{mark}{name}:"
        for below in plain.fields:
            yield from _field(below.encode_name, below.type, required=required and below.required, indent=indent + "  ")
    else:
        yield f"{mark}{name}: {'' if required else ' '}# {_words(name, plain)}".replace(":  #", ": #")


def _words(name: str, kind: shape.Type) -> str:
    if name in _HINTS:
        return _HINTS[name]
    if isinstance(kind, shape.DictType):
        return "{active_energy_import: 1234.5}"
    if isinstance(kind, shape.VarTupleType):
        item = kind.item_type
        if isinstance(item, shape.StructType):
            return "[{" + ", ".join(f.encode_name for f in item.fields) + "}, ...]"
        return f"[{wanted(item)}, ...]"
    return wanted(kind)


def _without_none(kind: shape.Type) -> shape.Type:
    if isinstance(kind, shape.UnionType):
        return next(one for one in kind.types if not isinstance(one, shape.NoneType))
    return kind
