"""Text a person wrote -> a value, or every fault at once with file and line.

The home of the YAML library. A schema is a `msgspec.Struct` with `Meta` constraints; this module walks the YAML
nodes beside it, so that a fault can name its line and the key it came near to, and so that one bad field never
hides the next. It reads YAML 1.2 (`no` is a word, not a boolean), without aliases and without duplicate keys.

    document = decode(text, SiteConfig, "site.yaml")
    document.value            -> SiteConfig
    document.where("buses", 0, "port")  -> "site.yaml:12 buses[0].port"

A struct may define `check(self) -> Iterable[tuple[path, code, params]]` for rules between its fields; it is asked
when all of them are well. For a rule about one field that no `Meta` can say it may define a static
`check_field(name, value)` of the same kind, asked whatever is wrong elsewhere. Raises BadInput; never a foreign
exception.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import inspect as shape
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mrv.errors import BadInput, Fault, MrvError, Phrase, fault
from mrv.messages import phrase
from mrv.wanted import bare, found, one_of, shown, wanted

T = TypeVar("T")
Path = tuple[str | int, ...]
#: What `check` yields: the path below the struct, a fault code and its parameters.
Complaint = tuple[Path, str, Mapping[str, object]]
Rules = Mapping[type, Callable[[Any], Iterable[Complaint]]]

MAX_TEXT = 2 * 1024 * 1024
MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}([Zz]|[+-][0-9]{2}:[0-9]{2})")
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A decoded file that still knows its lines."""

    value: T
    source: str
    lines: dict[Path, int]

    def where(self, *path: str | int) -> str:
        """`file:line field` of a path, or of its nearest parent that stands in the file."""
        return _where(self.source, self.lines, path)


def as_text(data: bytes, source: str) -> str:
    """The content of a file as text. Raises BadInput where it is not UTF-8, as some editors save it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(fault("config.not_utf8", source, at=error.start)) from error


def decode(text: str, cls: type[T], source: str, rules: Rules | None = None) -> Document[T]:
    """Decode `text` as `cls`. Raises BadInput carrying every fault found.

    `rules` adds, by struct type, checks that need more than the file itself (is this profile known?): they are asked
    of every struct that decodes, even when another part of the file is wrong.
    """
    root = _compose(text, source)
    walk = _Walk(source, rules or {})
    value = walk.value(root, _shape_of(cls), ())  # type: ignore[arg-type]  # every class can be a key
    if walk.faults:
        raise BadInput(*(found for _, found in sorted(walk.faults, key=lambda pair: pair[0])))
    return Document(value, source, walk.lines)


def complaints(value: Any, path: Path = ()) -> Iterator[Complaint]:
    """What the `check` of `value` and of everything in it says: for values that came from a log instead of a file."""
    if isinstance(value, msgspec.Struct):
        cls = type(value)
        for field in msgspec.structs.fields(value):
            below, item = (*path, field.encode_name), getattr(value, field.name)
            yield from complaints(item, below)
            yield from (((*below, *rest), code, params) for rest, code, params in _field_rule(cls)(field.name, item))
        for below, code, params in getattr(value, "check", tuple)():
            yield (*path, *below), code, params
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from complaints(item, (*path, str(key)))
    elif isinstance(value, (tuple, list)):
        for number, item in enumerate(value):
            yield from complaints(item, (*path, number))


def _field_rule(cls: type) -> Callable[[str, Any], Iterable[Complaint]]:
    rule: Callable[[str, Any], Iterable[Complaint]] = getattr(cls, "check_field", lambda _name, _value: ())
    return rule


@cache
def _shape_of(cls: type) -> shape.Type:
    """The schema of `cls`, looked at once: a profile's takes longer than reading one."""
    return shape.type_info(cls)


def passed_on(path: Path, error: MrvError) -> Iterator[Complaint]:
    """The faults of `error` as complaints about `path`: for a `check` that asks another module."""
    yield from ((path, found.code, found.params) for found in error.faults)


def _compose(text: str, source: str) -> Node:
    if len(text) > MAX_TEXT:
        raise BadInput(fault("config.too_large", source, limit=MAX_TEXT))
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth, yaml.composer.warn_double_anchors = MAX_DEPTH, False  # anchors are refused below, as faults
    try:
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(fault("config.yaml_syntax", f"{source}:{line}", problem=error.problem or "?")) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise BadInput(fault("config.yaml_syntax", f"{source}:1", problem=str(error).splitlines()[0])) from error
    if root is None:
        raise BadInput(fault("config.empty", f"{source}:1"))
    return root


class _Walk:
    """One pass over the nodes, gathering faults and lines."""

    def __init__(self, source: str, rules: Rules) -> None:
        self.source = source
        self.rules = rules
        self.faults: list[tuple[int, Fault]] = []
        self.lines: dict[Path, int] = {}

    def complain(self, path: Path, code: str, **params: object) -> Any:
        self.faults.append((_line(self.lines, path), fault(code, _where(self.source, self.lines, path), **params)))
        return _MISSING

    def value(self, node: Node, kind: shape.Type, path: Path) -> Any:
        """The value of `node` as `kind`, or _MISSING after complaining."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node.anchor is not None:
            return self.complain(path, "config.alias")
        plain = bare(kind)
        if isinstance(plain, shape.UnionType):
            return self._union(node, plain, path)
        if isinstance(plain, shape.StructType):
            tagged = {str(plain.tag): plain}
            return self._struct(node, plain, path) if plain.tag is None else self._tagged(node, tagged, path)
        if isinstance(plain, (shape.VarTupleType, shape.ListType)):
            return self._sequence(node, plain, path)
        if isinstance(plain, shape.DictType):
            return self._mapping(node, plain, path)
        return self._scalar(node, kind, path)

    def _union(self, node: Node, kind: shape.UnionType, path: Path) -> Any:
        if isinstance(node, ScalarNode) and node.tag == _TAG + "null" and kind.includes_none:
            return None
        choices = [choice for choice in kind.types if not isinstance(choice, shape.NoneType)]
        if len(choices) == 1:
            return self.value(node, choices[0], path)
        tagged = {str(c.tag): c for c in choices if isinstance(c, shape.StructType) and c.tag is not None}
        if len(tagged) == len(choices):
            return self._tagged(node, tagged, path)
        fitting = [c for c in choices if _fits(node, c)]
        return self.value(node, (fitting or choices)[0], path)

    def _tagged(self, node: Node, tagged: dict[str, shape.StructType], path: Path) -> Any:
        field = next(iter(tagged.values())).tag_field or "type"
        allowed = ", ".join(sorted(tagged))
        if not isinstance(node, MappingNode):
            return self.complain(path, "config.wrong_type", expected=phrase("config.is_mapping"), found=_name(node))
        for key, value in node.value:
            if key.value == field:
                if isinstance(value, ScalarNode) and value.value in tagged:
                    return self._struct(node, tagged[value.value], path)
                self.lines[(*path, field)] = key.start_mark.line + 1
                return self.complain((*path, field), "config.not_allowed", found=_name(value), allowed=allowed)
        return self.complain(path, "config.missing", field=field, expected=one_of(sorted(tagged)))

    def _pairs(self, node: Node, path: Path) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for key, value in node.value:
            name = shown(key.value) if isinstance(key, ScalarNode) else ""
            if not name:
                self.complain(path, "config.wrong_type", expected=phrase("config.is_key"), found=_name(key))
                continue
            self.lines[(*path, name)] = key.start_mark.line + 1
            if name in seen:
                self.complain((*path, name), "config.duplicate_key", field=name)
            else:
                seen.add(name)
                yield name, value

    def _struct(self, node: Node, kind: shape.StructType, path: Path) -> Any:
        if not isinstance(node, MappingNode):
            return self.complain(path, "config.wrong_type", expected=phrase("config.is_mapping"), found=_name(node))
        before = len(self.faults)
        fields = {f.encode_name: f for f in kind.fields}
        given: dict[str, Any] = {}
        for name, value in self._pairs(node, path):
            if name in fields:
                given[fields[name].name] = self._field(value, kind, fields[name], path)
            elif not (kind.tag is not None and name == kind.tag_field):
                self._unknown(name, [*fields], path)
        for name, field in fields.items():
            if field.required and field.name not in given:
                self.complain((*path, name), "config.missing", field=name, expected=wanted(field.type))
        if len(self.faults) > before:
            return _MISSING
        made = kind.cls(**given)
        rule = self.rules.get(kind.cls, lambda _: ())
        for below, code, params in (*getattr(made, "check", tuple)(), *rule(made)):
            self.complain((*path, *below), code, **params)
        return made if len(self.faults) == before else _MISSING

    def _field(self, node: Node, kind: shape.StructType, field: shape.Field, path: Path) -> Any:
        here = (*path, field.encode_name)
        before = len(self.faults)
        found = self.value(node, field.type, here)
        if len(self.faults) == before:  # a list with one bad entry is not well either
            for below, code, params in _field_rule(kind.cls)(field.name, found):
                self.complain((*here, *below), code, **params)
        return found

    def _unknown(self, name: str, allowed: list[str], path: Path) -> None:
        near = difflib.get_close_matches(name, allowed, n=1)
        code = "config.misspelt" if near else "config.unknown_key"
        self.complain((*path, name), code, field=name, near=near[0] if near else "", allowed=", ".join(allowed))

    def _sequence(self, node: Node, kind: shape.VarTupleType | shape.ListType, path: Path) -> Any:
        if not isinstance(node, SequenceNode):
            return self.complain(path, "config.wrong_type", expected=phrase("config.is_list"), found=_name(node))
        if kind.min_length is not None and len(node.value) < kind.min_length:
            return self.complain(path, "config.too_few", least=kind.min_length)
        if kind.max_length is not None and len(node.value) > kind.max_length:
            return self.complain(path, "config.too_many", most=kind.max_length)
        items = [self.value(item, kind.item_type, (*path, i)) for i, item in enumerate(node.value)]
        return tuple(items) if isinstance(kind, shape.VarTupleType) else items

    def _mapping(self, node: Node, kind: shape.DictType, path: Path) -> Any:
        if not isinstance(node, MappingNode):
            return self.complain(path, "config.wrong_type", expected=phrase("config.is_mapping"), found=_name(node))
        if kind.min_length is not None and len(node.value) < kind.min_length:
            return self.complain(path, "config.too_few", least=kind.min_length)
        found: dict[Any, Any] = {}
        for name, value in self._pairs(node, path):
            key = self._converted(name, kind.key_type, (*path, name))
            found[key] = self.value(value, kind.value_type, (*path, name))
        return found

    def _scalar(self, node: Node, kind: shape.Type, path: Path) -> Any:
        if not isinstance(node, ScalarNode) or not _fits(node, kind):
            return self.complain(path, "config.wrong_type", expected=wanted(kind), found=_name(node))
        return self._converted(node.value, kind, path)

    def _converted(self, text: str, kind: shape.Type, path: Path) -> Any:
        try:
            return msgspec.convert(_native(text, kind), _rebuilt(kind))
        except (msgspec.ValidationError, InvalidOperation, ValueError, KeyError, OverflowError):
            return self.complain(path, "config.out_of_range", found=shown(text), expected=wanted(kind))


def _native(text: str, kind: shape.Type) -> Any:
    kind = bare(kind)
    if isinstance(kind, shape.BoolType):
        return {"true": True, "false": False}[text.lower()]  # a YAML 1.1 header or a tag makes booleans of other words
    if isinstance(kind, shape.IntType):
        return int(text.replace("_", ""), 0)
    if isinstance(kind, shape.LiteralType) and all(isinstance(v, int) for v in kind.values):
        return int(text.replace("_", ""), 0)
    if isinstance(kind, shape.DecimalType):
        number = Decimal(text.replace("_", ""))
        if not number.is_finite():
            raise ValueError(text)
        return number
    if isinstance(kind, shape.DateTimeType) and _MINUTE.fullmatch(text):
        return f"{text[:16]}:00{text[16:]}"  # RFC 3339 wants the seconds that nobody writes
    text.encode()  # raises for half a character ("\ud800"), which can be written nowhere
    return text


def _rebuilt(kind: shape.Type) -> Any:
    """The type annotation msgspec converts to, from its own description of it."""
    kind = bare(kind)
    if isinstance(kind, shape.IntType):
        bounds = {"ge": kind.ge, "gt": kind.gt, "le": kind.le, "lt": kind.lt}
        given: Any = {name: bound for name, bound in bounds.items() if bound is not None}
        return Annotated[int, msgspec.Meta(**given)]
    if isinstance(kind, shape.StrType):
        meta = msgspec.Meta(pattern=kind.pattern, min_length=kind.min_length, max_length=kind.max_length)
        return Annotated[str, meta]
    if isinstance(kind, shape.LiteralType):
        return Literal[tuple(kind.values)]
    if isinstance(kind, shape.EnumType):
        return kind.cls
    if isinstance(kind, shape.DateTimeType):
        return Annotated[datetime, msgspec.Meta(tz=kind.tz)]
    simple: dict[type, Any] = {shape.BoolType: bool, shape.DecimalType: Decimal, shape.DateType: date}
    return simple[type(kind)]


def _fits(node: Node, kind: shape.Type) -> bool:
    """Whether the YAML kind of `node` can be a `kind` at all (its range is checked later)."""
    kind = bare(kind)
    tag = str(node.tag).removeprefix(_TAG) if isinstance(node, ScalarNode) else ""
    if isinstance(kind, shape.StructType):
        return isinstance(node, MappingNode)
    if isinstance(kind, shape.BoolType):
        return tag == "bool"
    if isinstance(kind, shape.IntType):
        return tag == "int"
    if isinstance(kind, shape.LiteralType):
        return tag == ("int" if all(isinstance(v, int) for v in kind.values) else "str")
    if isinstance(kind, shape.DecimalType):
        return tag in {"int", "float"} or (tag == "str" and _is_number(node.value))
    if isinstance(kind, shape.DateType):
        return tag == "timestamp"
    if isinstance(kind, shape.DateTimeType):
        return tag in {"timestamp", "str"}
    return tag == "str"


def _is_number(text: str) -> bool:
    try:
        return text.isascii() and Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _name(node: Node) -> Phrase:
    """What stands in the file, in words."""
    tag = str(node.tag).removeprefix(_TAG)
    if isinstance(node, MappingNode):
        return found("map", None)
    if isinstance(node, SequenceNode):
        return found("seq", None)
    return found(tag, None if tag == "null" else node.value)


def _where(source: str, lines: dict[Path, int], path: Path) -> str:
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else (f".{part}" if name else part)
    return f"{source}:{_line(lines, path)} {name}".rstrip()


def _line(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of its nearest parent that stands in the file."""
    return next((lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in lines), 1)
