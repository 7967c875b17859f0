"""Every fault a file of a schema can have, made from the schema itself and one example that uses every field.

    for slip in slips(Site, text): ...      one wrong thing each: the text, and the fault it must give

A field that is added to the struct and not to the example is reported by `uncovered`, so that it cannot stay untested.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect as shape
from ruamel.yaml import YAML

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Slip:
    """What is done to the value at `path`, and the code the fault must have."""

    what: str
    path: Path
    code: str
    data: Any

    def __str__(self) -> str:
        return f"{spoken(self.path)} {self.what}"

    @property
    def text(self) -> str:
        return dumped(self.data)


def loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def dumped(data: Any) -> str:
    yaml, out = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = False, 10000, False
    yaml.dump(data, out)
    return out.getvalue()


def spoken(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def line_of(text: str, path: Path) -> int:
    """The line at which `path` stands in a dumped text (a field: its key), found by asking the YAML library."""
    node = YAML(typ="safe", pure=True).compose(text)
    line: int = node.start_mark.line + 1
    for part in path:
        if isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                return line
            key, node = found[0]
            line = key.start_mark.line + 1
    return line


def slips(cls: type, example: str, apart: tuple[type, ...] = ()) -> list[Slip]:
    """One slip per field and way of being wrong, but for the insides of structs that are tested `apart`."""
    kind, data = shape.type_info(cls), loaded(example)
    return [slip for slip in _walk(kind, data, data, ()) if not _within(kind, data, slip.path, apart)]


def part(example: str, path: Path) -> str:
    """What stands at `path` of an example, as a document of its own."""
    here = loaded(example)
    for step in path:
        here = here[step]
    return dumped(here)


def _within(kind: shape.Type, data: Any, path: Path, apart: tuple[type, ...]) -> bool:
    here = data
    for step in path:
        kind = _inner(kind, here)
        if isinstance(kind, shape.StructType):
            if kind.cls in apart:
                return True
            kind = next((f.type for f in kind.fields if f.encode_name == step), shape.AnyType())
        elif isinstance(kind, shape.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, shape.DictType):
            kind = kind.value_type
        here = here.get(step) if isinstance(here, dict) else here[step]  # type: ignore[call-overload]
    return False


def uncovered(cls: type, example: str) -> set[str]:
    """Fields of the schema that the example does not use anywhere a struct of their kind stands."""
    seen: dict[type, set[str]] = {}
    _note(shape.type_info(cls), loaded(example), seen)
    known = {kind: {field.encode_name for field in msgspec.structs.fields(kind)} for kind in seen}
    return {f"{kind.__name__}.{name}" for kind, names in known.items() for name in names - seen[kind]}


def patterns(cls: type) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every pattern in a schema with the examples that explain it."""
    return _patterns(shape.type_info(cls), ())


def _patterns(kind: shape.Type, shown: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(kind, shape.Metadata):
        yield from _patterns(kind.type, (kind.extra_json_schema or {}).get("examples", ()))
    elif isinstance(kind, shape.StrType) and kind.pattern:
        yield kind.pattern, tuple(shown)
    elif isinstance(kind, shape.UnionType):
        for choice in kind.types:
            yield from _patterns(choice, ())
    elif isinstance(kind, shape.StructType):
        for field in kind.fields:
            yield from _patterns(field.type, ())
    elif isinstance(kind, shape.VarTupleType):
        yield from _patterns(kind.item_type, ())
    elif isinstance(kind, shape.DictType):
        yield from _patterns(kind.key_type, ())
        yield from _patterns(kind.value_type, ())


def with_value(data: Any, path: Path, value: Any) -> Any:
    """A copy of `data` with the value at `path` replaced."""
    made = _copied(data, path)
    _holder(made, path)[path[-1]] = value
    return made


def _copied(data: Any, path: Path) -> Any:
    """A copy of `data` in which everything on the way to `path` may be changed."""
    made = copy.copy(data)
    if len(path) > 1:
        made[path[0]] = _copied(data[path[0]], path[1:])
    return made


def _holder(data: Any, path: Path) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data


def _inner(kind: shape.Type, here: Any) -> shape.Type:
    """The one type of a union that `here` is: what its tag says, or the only one there is beside nothing."""
    if isinstance(kind, shape.Metadata):
        return _inner(kind.type, here)
    if isinstance(kind, shape.UnionType):
        choices = [choice for choice in kind.types if not isinstance(choice, shape.NoneType)]
        tagged = [c for c in choices if isinstance(c, shape.StructType) and here.get(c.tag_field) == c.tag]
        return tagged[0] if len(choices) > 1 else _inner(choices[0], here)
    return kind


def _walk(kind: shape.Type, here: Any, data: Any, path: Path) -> Iterator[Slip]:
    kind = _inner(kind, here)
    if path:
        yield from _wrong_types(kind, data, path)
        yield from _out_of_range(kind, data, path)
    if isinstance(kind, shape.StructType):
        yield from _fields(kind, here, data, path)
    elif isinstance(kind, shape.VarTupleType):
        for index, item in enumerate(here):
            yield from _walk(kind.item_type, item, data, (*path, index))
    elif isinstance(kind, shape.DictType):
        for key, item in here.items():
            yield from _walk(kind.value_type, item, data, (*path, key))


def _fields(kind: shape.StructType, here: Any, data: Any, path: Path) -> Iterator[Slip]:
    if kind.tag is not None:
        tag = (*path, str(kind.tag_field))
        yield Slip("of an unknown kind", tag, "config.not_allowed", with_value(data, tag, "zzz"))
        yield Slip("of a kind that is no word", tag, "config.not_allowed", with_value(data, tag, ["zzz"]))
        yield Slip("missing", path, "config.missing", _without(data, tag))
    for field in kind.fields:
        below = (*path, field.encode_name)
        if field.encode_name not in here:
            continue
        if field.required:
            yield Slip("missing", below, "config.missing", _without(data, below))
        yield Slip("misspelt", (*path, field.encode_name + "x"), "config.misspelt", _renamed(data, below))
        yield from _walk(field.type, here[field.encode_name], data, below)


def _without(data: Any, path: Path) -> Any:
    made = _copied(data, path)
    del _holder(made, path)[path[-1]]
    return made


def _renamed(data: Any, path: Path) -> Any:
    made = _copied(data, path)
    holder = _holder(made, path)
    entries = {f"{key}x" if key == path[-1] else key: value for key, value in holder.items()}
    holder.clear()
    holder.update(entries)
    return made


def _wrong_types(kind: shape.Type, data: Any, path: Path) -> Iterator[Slip]:
    containers = (shape.StructType, shape.DictType, shape.VarTupleType)
    number_like = (shape.IntType, shape.DecimalType)
    wrong: list[Any] = [5] if isinstance(kind, containers) else [{"zzz": 1}, ["zzz"]]
    if isinstance(kind, number_like):
        wrong.append("many")
    elif not isinstance(kind, (*containers, shape.LiteralType)):
        wrong.append(5)
    for value in wrong:
        yield Slip(f"of a wrong type ({value})", path, "config.wrong_type", with_value(data, path, value))


def _out_of_range(kind: shape.Type, data: Any, path: Path) -> Iterator[Slip]:
    code = "config.out_of_range"
    for value in _beyond(kind):
        yield Slip(f"out of range ({str(value)[:20]!r})", path, code, with_value(data, path, value))
    if isinstance(kind, (shape.VarTupleType, shape.DictType)) and kind.min_length:
        none: Any = [] if isinstance(kind, shape.VarTupleType) else {}
        yield Slip("empty", path, "config.too_few", with_value(data, path, none))
    if isinstance(kind, shape.VarTupleType) and kind.max_length:
        many = [*(_holder(data, path)[path[-1]] * (kind.max_length + 1))][: kind.max_length + 1]
        yield Slip("too long", path, "config.too_many", with_value(data, path, many))


def _beyond(kind: shape.Type) -> Iterator[Any]:
    """Values of the right YAML type that the constraints forbid."""
    if isinstance(kind, shape.IntType):
        yield from (kind.ge - 1,) if kind.ge is not None else ()
        yield from (kind.le + 1,) if kind.le is not None else ()
    elif isinstance(kind, shape.LiteralType):
        yield "zzz" if isinstance(kind.values[0], str) else 99999
    elif isinstance(kind, shape.StrType):
        yield from ("\u2603 not like that",) if kind.pattern else ()
        yield from ("",) if kind.min_length or kind.pattern else ()
        yield from ("x" * (kind.max_length + 1),) if kind.max_length else ()


def _note(kind: shape.Type, here: Any, seen: dict[type, set[str]]) -> None:
    """Which fields of which structs `here` uses."""
    kind = _inner(kind, here)
    if isinstance(kind, shape.StructType):
        used = seen.setdefault(kind.cls, set())
        for field in kind.fields:
            if field.encode_name in here:
                used.add(field.encode_name)
                _note(field.type, here[field.encode_name], seen)
    elif isinstance(kind, shape.VarTupleType):
        for item in here:
            _note(kind.item_type, item, seen)
    elif isinstance(kind, shape.DictType):
        for item in here.values():
            _note(kind.value_type, item, seen)
