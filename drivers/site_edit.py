"""Adds a line or a meter to `site.yaml` as a person would: every other byte of the file stays what it was.

Comments are a technician's memory, so nothing is re-written: the new entry is put behind the last one of its list and
the result is read again by the schema before anybody sees it. For `mrv-meter` only: `mrv-agent run` must not import
this module (tested).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mrv.errors import BadInput, Refused, fault

Section = Literal["buses", "meters"]
Entry = Mapping[str, Any]

#: Text that YAML 1.1 and 1.2 both read as text without quotes.
_PLAIN = re.compile(r"(?!(?i:y|n|yes|no|on|off|true|false|null)$)[A-Za-z/][A-Za-z0-9_./-]*")


def add(text: str, section: Section, entry: Entry, source: str = "site.yaml") -> str:
    """`text` with `entry` as the last of `section`. Raises BadInput where the file is no YAML mapping of lists."""
    found = _section(text, section, source)
    if found is None:
        return f"{_ended(text)}\n{section}:\n{_rendered(entry, 2)}"
    key, node = found
    if isinstance(node, SequenceNode) and node.value and not node.flow_style:
        return _behind(text, node, entry)
    if (isinstance(node, SequenceNode) and not node.value) or _is_null(node):
        return _in_place_of(text, key, node, entry)
    raise BadInput(fault("tool.list_not_editable", f"{source}:{node.start_mark.line + 1}", section=section))


def entries(text: str, section: Section, source: str = "site.yaml") -> list[dict[str, Any]]:
    """The entries of `section` as plain values, however incomplete the file is otherwise."""
    loaded = YAML(typ="safe", pure=True).load(text) if _section(text, section, source) else {}
    found = loaded.get(section) or []
    return [dict(entry) for entry in found if isinstance(entry, dict)]


def replace(path: Path, text: str) -> None:
    """Put `text` in place of the file, whole or not at all, with the old one's mode. Raises Refused."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        with beside.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Refused(fault("tool.cannot_write", str(path), problem=error.strerror or error)) from error


def _section(text: str, section: str, source: str) -> tuple[ScalarNode, Node] | None:
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise BadInput(fault("config.yaml_syntax", f"{source}:1", problem=str(error).splitlines()[0])) from error
    if not isinstance(root, MappingNode):
        raise BadInput(fault("config.wrong_type", f"{source}:1", expected="a mapping", found="something else"))
    return next(((key, value) for key, value in root.value if key.value == section), None)


def _behind(text: str, node: SequenceNode, entry: Entry) -> str:
    """Behind the last line of the last entry: what follows, comments too, follows still."""
    lines = _ended(text).splitlines(keepends=True)
    at = _last_line(node.value[-1]) + 1
    dash = _dash(lines[node.value[-1].start_mark.line])
    return "".join((*lines[:at], _rendered(entry, dash), *lines[at:]))


def _dash(line: str) -> int:
    """The column of the dash before the last entry."""
    return len(line) - len(line.lstrip(" ")) if line.lstrip(" ").startswith("-") else 2


def _in_place_of(text: str, key: ScalarNode, node: Node, entry: Entry) -> str:
    """Instead of `[]` or nothing, keeping a comment behind it."""
    lines = _ended(text).splitlines(keepends=True)
    first = key.start_mark.line
    last = first if _is_null(node) else node.end_mark.line
    column = key.end_mark.column if _is_null(node) else node.end_mark.column
    comment = re.sub(r"^[^#]*", "", lines[last][column:])
    head = f"{key.value}:  {comment}" if comment else f"{key.value}:\n"
    return "".join((*lines[:first], head, _rendered(entry, 2), *lines[last + 1 :]))


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and str(node.tag).endswith(":null")


def _last_line(node: Node) -> int:
    """The last line something of `node` stands in; the end mark of a block is where the next thing begins."""
    if isinstance(node, MappingNode) and node.value and not node.flow_style:
        return max(_last_line(part) for pair in node.value for part in pair)
    if isinstance(node, SequenceNode) and node.value and not node.flow_style:
        return max(map(_last_line, node.value))
    return int(node.end_mark.line - (node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line))


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"


def _rendered(entry: Entry, dash: int) -> str:
    """One list entry, its keys below each other; nested mappings in braces."""
    pairs = [f"{key}: {_scalar(value)}" for key, value in entry.items()]
    return "".join(f"{' ' * dash}{'- ' if not n else '  '}{pair}\n" for n, pair in enumerate(pairs))


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_scalar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return '"' + "".join(map(_character, value)) + '"'
    return str(value)


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
