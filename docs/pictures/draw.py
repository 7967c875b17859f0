"""Draws the pictures of the guides in both languages: `make pictures`.

`NAME.svg.in` is the drawing, `texts.toml` what it says; out come `docs/LANGUAGE/NAME.svg`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
LANGUAGES = ("en", "vi")


def pictures() -> dict[Path, str]:
    """Every file and what should stand in it. Raises KeyError for a text that is missing."""
    texts = tomllib.loads((HERE / "texts.toml").read_text(encoding="utf-8"))
    return {
        HERE.parent / language / f"{name}.svg": _drawn(name, said, language)
        for name, said in texts.items()
        for language in LANGUAGES
    }


def _drawn(name: str, said: Mapping[str, Mapping[str, str]], language: str) -> str:
    drawing = Template((HERE / f"{name}.svg.in").read_text(encoding="utf-8"))
    return drawing.substitute({key: escape(text[language]) for key, text in said.items()})


if __name__ == "__main__":
    for path, drawn in pictures().items():
        path.write_text(drawn, encoding="utf-8")
