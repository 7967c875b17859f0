"""Codes to sentences: the one message catalogue (gettext), one domain per package.

A code `agent.state_locked` is looked up in the domain `agent` as two entries: `agent.state_locked` says what is
wrong, `agent.state_locked.next` says what to do. A language that lacks an entry falls back to English; English has
them all (tested). The `.po` files are the source; `make locale` compiles them.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path

from mrv import period
from mrv.errors import Fault, Phrase
from mrv.number import rounded

LANGUAGES = ("en", "vi", "ja")
_LOCALE = Path(__file__).parent / "locale"


class _Word(str):
    """A parameter in a pattern, said as people read it.

    `{start:utc}` shows UTC milliseconds as a date and time, `{hours:decimal}` 1/2 as 0.5 and `{error:share}` 1/200 as
    0.5 %, exactly or as it stands.
    """

    def __format__(self, spec: str) -> str:
        if spec == "utc":
            return period.shown(int(self)) if self.isascii() and self.isdigit() and len(self) < 20 else str(self)
        if spec in {"decimal", "share"}:
            return _decimal(str(self), 100, " %") if spec == "share" else _decimal(str(self), 1, "")
        return super().__format__(spec)


def _decimal(text: str, times: int, unit: str) -> str:
    """`text`, a fraction, as a decimal number; as it stands if it is none, or has no end."""
    try:
        value = Fraction(text) * times
    except (ValueError, ZeroDivisionError):
        return text
    found = next((places for places in range(10) if 10**places % value.denominator == 0), None)
    return text if found is None else f"{rounded(value, found):f}{unit}"


def spoken(environment: Mapping[str, str]) -> str:
    """The language that LC_ALL, LC_MESSAGES or LANG asks for, if there are texts in it, else English."""
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "en")
    return named[:2] if named[:2] in LANGUAGES else "en"


@cache
def _catalogue(domain: str, language: str) -> gettext.NullTranslations:
    english = gettext.translation(domain, _LOCALE, ["en"], fallback=True)
    if language == "en":
        return english
    translated = gettext.translation(domain, _LOCALE, [language], fallback=True)
    translated.add_fallback(english)
    return translated


def text(message: str, language: str = "en", /, **params: str) -> str:
    """The catalogue text of `message` (`<domain>.<name>`) with `{parameters}` filled in.

    What no catalogue knows, such as a code of a newer version, is said as the id and its parameters.
    """
    domain = message.partition(".")[0]
    if not domain.isidentifier():  # it becomes part of a file name, and a code can come from elsewhere
        return message
    pattern = _catalogue(domain, language if language in LANGUAGES else "en").gettext(message)
    if pattern == message:
        return f"{message} {params}" if params else message
    said = {name: _Word(_said(value, language)) for name, value in params.items()}
    try:
        return pattern.format_map(said)
    except (KeyError, IndexError, ValueError):
        return f"{pattern} {params}"


def _said(value: str, language: str) -> str:
    return text(value.message, language, **value.params) if isinstance(value, Phrase) else value


def phrase(message: str, **params: object) -> Phrase:
    """The catalogue text of `message` as a parameter: English, until the sentence around it is said in a language."""
    filled = {name: value if isinstance(value, Phrase) else str(value) for name, value in params.items()}
    return Phrase(text(message, **filled), message, filled)


def what(fault: Fault, language: str = "en") -> str:
    """What is wrong, in one sentence."""
    return text(fault.code, language, **fault.params)


def next_step(fault: Fault, language: str = "en") -> str:
    """What to do next; empty when the catalogue says nothing."""
    key = f"{fault.code}.next"
    found = text(key, language, **fault.params)
    return "" if found.startswith(key) else found


def sentence(fault: Fault, language: str = "en") -> str:
    """What / where / what to do next, on up to two lines: the form every command prints."""
    head = f"{fault.where}: {what(fault, language)}" if fault.where else what(fault, language)
    advice = next_step(fault, language)
    return f"{head}\n  -> {advice}" if advice else head
