"""What a field of a file takes, and what stands there instead, in words a technician reads in his own language.

The words are catalogue entries `config.is_...`; a field with a pattern shows the example its `Meta` gives, because
nobody at a factory reads regular expressions. It reads no file and knows no YAML library: mrv.strict does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from msgspec import inspect as shape

from mrv.errors import Phrase
from mrv.messages import phrase

#: Kinds of field that one phrase describes.
_SIMPLE: dict[type, str] = {
    shape.BoolType: "config.is_boolean",
    shape.DecimalType: "config.is_number",
    shape.DateType: "config.is_date",
    shape.DateTimeType: "config.is_instant",
    shape.StructType: "config.is_mapping",
    shape.DictType: "config.is_mapping",
    shape.VarTupleType: "config.is_list",
    shape.ListType: "config.is_list",
}
#: What YAML calls the values it finds.
_TAGS = {
    "map": "config.is_mapping",
    "seq": "config.is_list",
    "str": "config.is_text",
    "int": "config.is_integer",
    "float": "config.is_number",
    "bool": "config.is_boolean",
    "null": "config.is_nothing",
}


def bare(kind: shape.Type) -> shape.Type:
    """`kind` without the examples that stand around it."""
    return bare(kind.type) if isinstance(kind, shape.Metadata) else kind


def wanted(kind: shape.Type) -> Phrase:
    """What a field of `kind` takes."""
    plain = bare(kind)
    if isinstance(plain, shape.UnionType):
        choices = [wanted(choice) for choice in plain.types if not isinstance(choice, shape.NoneType)]
        return reduce(lambda one, other: phrase("config.is_either", one=one, other=other), choices)
    if isinstance(plain, shape.IntType):
        return _between("config.is_integer", plain.ge, plain.le)
    if isinstance(plain, shape.StrType):
        if plain.pattern:
            return phrase("config.is_text_like", example=" / ".join(examples(kind)) or plain.pattern)
        return _between("config.is_text", plain.min_length, plain.max_length)
    if isinstance(plain, shape.LiteralType):
        return one_of(map(str, plain.values))
    if isinstance(plain, shape.EnumType):
        return one_of(str(member.value) for member in plain.cls)
    return phrase(_SIMPLE.get(type(plain), "config.is_value"))


def one_of(choices: Iterable[str]) -> Phrase:
    return phrase("config.is_one_of", choices=", ".join(choices))


def examples(kind: shape.Type) -> tuple[str, ...]:
    """The values of a field that its `Meta` shows as examples."""
    if not isinstance(kind, shape.Metadata):
        return ()
    given: dict[str, Any] = kind.extra_json_schema or {}
    return (*map(str, given.get("examples", ())), *examples(kind.type))


def found(tag: str, value: str | None) -> Phrase:
    """What stands in the file: YAML's word for it, and the value where it is one."""
    kind = phrase(_TAGS[tag]) if tag in _TAGS else phrase("config.is_other", tag=tag)
    return kind if value is None else phrase("config.is_found", kind=kind, value=shown(value))


def shown(text: str) -> str:
    """A value or a key as it can be printed anywhere, on one line."""
    short = text if len(text) <= 80 else f"{text[:80]}..."
    return short.replace("\n", "\\n").encode("utf-8", "backslashreplace").decode()


def _between(message: str, low: int | None, high: int | None) -> Phrase:
    if low is not None and high is not None:
        return phrase(f"{message}_between", low=low, high=high)
    if low is not None:
        return phrase(f"{message}_least", low=low)
    return phrase(f"{message}_most", high=high) if high is not None else phrase(message)
