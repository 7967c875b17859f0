"""A few cells of somebody else's workbook, and not a byte more than that asks for.

An official workbook has styles, pictures, protection and macros that no library writes back as they were. So the file
is not re-made: the text of the cells is changed inside the sheet's own XML, everything else is carried over. Formulas
are never written over; their old results are taken out, so that no reader shows figures from before the change.
Files are bounded before they are unpacked. Raises BadInput for what is no workbook of the kind it can change.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

from mrv.errors import BadInput, Unavailable, fault

MAX_FILE = 64 * 1024 * 1024
MAX_ENTRIES = 4000
_WORKBOOK, _RELATIONS, _STRINGS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml"
_SHEET = re.compile(r"<sheet\b[^>]*>")
_RELATION = re.compile(r"<Relationship\b[^>]*>")
_STRING = re.compile(r"<si\b[^>]*?(?:/>|>(.*?)</si>)", re.DOTALL)
_PHONETIC = re.compile(r"<rPh\b.*?</rPh>", re.DOTALL)
_TEXT = re.compile(r"<t\b[^>]*?(?:/>|>(.*?)</t>)", re.DOTALL)
_ROW = re.compile(r"<row\b([^>]*?)(?:/>|>(.*?)</row>)", re.DOTALL)
_CELL = re.compile(r"<c\b([^>]*?)(?:/>|>(.*?)</c>)", re.DOTALL)
_VALUE = re.compile(r"<v\b[^>]*>(.*?)</v>", re.DOTALL)
_RESULT = re.compile(r"(<f\b[^>]*?(?:/>|>[^<]*</f>))\s*<v\b[^>]*>[^<]*</v>")
_CALCULATION = re.compile(r"<calcPr\b[^>]*?/>")


@dataclass(frozen=True, slots=True)
class Found:
    """A cell as it stands: its text, and whether a formula gives it."""

    text: str
    formula: bool


class Workbook:
    """The parts of one .xlsx file. Addresses are (row, column) from 1."""

    def __init__(self, path: Path) -> None:
        """Raises BadInput when the file is no workbook, or one beyond all measure."""
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
                if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_FILE:
                    raise BadInput(fault("collector.template_too_large", str(path), limit=MAX_FILE))
                self._entries = [(entry, archive.read(entry)) for entry in entries]
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            raise BadInput(fault("collector.template_unreadable", str(path), problem=error)) from error
        self._sheets = dict(self._find_sheets())
        self._strings = self._find_strings()

    @property
    def sheets(self) -> tuple[str, ...]:
        return tuple(self._sheets)

    def cells(self, sheet: str) -> dict[tuple[int, int], Found]:
        """What stands in `sheet`."""
        found = {}
        for _, row in _ROW.findall(self._xml(self._sheets[sheet])):
            for attributes, content in _CELL.findall(row):
                place = _place(_attribute(attributes, "r"))
                if place is not None:
                    text = self._text(_attribute(attributes, "t"), content)
                    found[place] = Found(text, "<f" in content)
        return found

    def filled(self, sheet: str, values: Mapping[tuple[int, int], str | float]) -> None:
        """Put `values` into cells of `sheet`; their looks stay. Raises BadInput for a cell that a formula gives."""
        name = self._sheets[sheet]
        text = self._xml(name)
        for (row, column), value in sorted(values.items()):
            text = _with_cell(text, row, column, value, f"{self.path} {sheet}")
        self._replace(name, text)

    def save(self, path: Path) -> None:
        """Write the workbook to `path`, asking whoever opens it to compute everything. Raises Unavailable."""
        for name in self._sheets.values():
            self._replace(name, _RESULT.sub(r"\1", self._xml(name)))
        self._replace(_WORKBOOK, _computing(self._xml(_WORKBOOK)))
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for entry, data in self._entries:
                archive.writestr(entry, data, compress_type=entry.compress_type)
        try:
            path.write_bytes(made.getvalue())
        except OSError as error:
            raise Unavailable(fault("collector.report_unwritten", str(path), problem=error)) from error

    # -- parts -------------------------------------------------------------------------------------------------

    def _xml(self, name: str) -> str:
        for entry, data in self._entries:
            if entry.filename == name:
                try:
                    text = data.decode("utf-8-sig")
                except UnicodeDecodeError as error:
                    raise self._strange(name) from error
                if "<!DOCTYPE" in text or "<!ENTITY" in text:
                    raise self._strange(name)
                return text
        raise self._strange(name)

    def _replace(self, name: str, text: str) -> None:
        self._entries = [(e, text.encode() if e.filename == name else data) for e, data in self._entries]

    def _strange(self, part: str) -> BadInput:
        return BadInput(fault("collector.template_unreadable", str(self.path), problem=f"no usable {part}"))

    def _find_sheets(self) -> list[tuple[str, str]]:
        targets = {}
        for relation in _RELATION.findall(self._xml(_RELATIONS)):
            target = _attribute(relation, "Target").removeprefix("/")
            targets[_attribute(relation, "Id")] = target if target.startswith("xl/") else f"xl/{target}"
        found = []
        for sheet in _SHEET.findall(self._xml(_WORKBOOK)):
            part = targets.get(_attribute(sheet, "r:id"), "")
            if part.startswith("xl/worksheets/"):
                if "<sheetData" not in self._xml(part):
                    raise self._strange(part)
                found.append((unescape(_attribute(sheet, "name")), part))
        if not found:
            raise self._strange(_WORKBOOK)
        return found

    def _find_strings(self) -> list[str]:
        if not any(entry.filename == _STRINGS for entry, _ in self._entries):
            return []
        return [_said(_PHONETIC.sub("", found)) for found in _STRING.findall(self._xml(_STRINGS))]

    def _text(self, kind: str, content: str) -> str:
        if kind == "inlineStr":
            return _said(content)
        value = _VALUE.search(content)
        if value is None:
            return ""
        if kind != "s":
            return unescape(value[1])
        index = int(value[1]) if value[1].isdecimal() else -1
        return self._strings[index] if 0 <= index < len(self._strings) else ""


def _said(content: str) -> str:
    return unescape("".join(_TEXT.findall(content)))


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf"(?<![\w:]){re.escape(name)}\s*=\s*(\"([^\"]*)\"|'([^']*)')", tag)
    return (found[2] or found[3] or "") if found else ""


def _place(address: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"([A-Z]{1,3})([1-9][0-9]{0,6})", address)
    if found is None:
        return None
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return int(found[2]), column


def _name(row: int, column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row}"


def _with_cell(text: str, row: int, column: int, value: str | float, where: str) -> str:
    """The sheet with one cell changed; row and cell are made where there are none."""
    for found in _ROW.finditer(text):
        number = int(_attribute(found[1], "r") or 0)
        if number == row:
            made = _with_column(found[2] or "", row, column, value, where)
            return f"{text[: found.start()]}<row{found[1]}>{made}</row>{text[found.end() :]}"
        if number > row:
            made = f'<row r="{row}">{_cell(row, column, value, "")}</row>'
            return text[: found.start()] + made + text[found.start() :]
    made = f'<row r="{row}">{_cell(row, column, value, "")}</row>'
    if "</sheetData>" in text:
        return text.replace("</sheetData>", f"{made}</sheetData>", 1)
    return re.sub(r"<sheetData\s*/>", lambda _: f"<sheetData>{made}</sheetData>", text, count=1)


def _with_column(cells: str, row: int, column: int, value: str | float, where: str) -> str:
    for found in _CELL.finditer(cells):
        place = _place(_attribute(found[1], "r"))
        if place is None or place[1] < column:
            continue
        if place[1] > column:
            return cells[: found.start()] + _cell(row, column, value, "") + cells[found.start() :]
        if "<f" in (found[2] or ""):
            raise BadInput(fault("collector.template_formula", where, cell=_name(row, column)))
        style = _attribute(found[1], "s")
        return cells[: found.start()] + _cell(row, column, value, style) + cells[found.end() :]
    return cells + _cell(row, column, value, "")


def _cell(row: int, column: int, value: str | float, style: str) -> str:
    look = f' s="{style}"' if style else ""
    start = f'<c r="{_name(row, column)}"{look}'
    if isinstance(value, str):
        return f'{start} t="inlineStr"><is><t xml:space="preserve">{escape(value, quote=False)}</t></is></c>'
    return f"{start}><v>{value!r}</v></c>"


def _computing(text: str) -> str:
    """The workbook part, asking for a full calculation when it is opened."""
    found = _CALCULATION.search(text)
    if found is None:
        made = '<calcPr calcId="191029" fullCalcOnLoad="1"/>'
        behind = next((m for m in ("</definedNames>", "</externalReferences>", "</sheets>") if m in text), "</sheets>")
        return text.replace(behind, behind + made, 1)
    tag = re.sub(r'\sfullCalcOnLoad="[^"]*"', "", found[0])
    return text[: found.start()] + tag.replace("/>", ' fullCalcOnLoad="1"/>') + text[found.end() :]
