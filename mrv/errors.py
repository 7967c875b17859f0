"""What can go wrong, as values: a code with parameters, never a sentence.

Texts live in the message catalogue only (`mrv.messages`), so the same fault can be read by a technician in
Vietnamese, a script as JSON and a test by its code.

    MrvError                 anything this project raises on purpose
    ├── BadInput             the input is wrong: fix it, trying again will not help
    ├── Refused              the input is well formed and not acceptable here (wrong key, not approved)
    └── Unavailable          the other side or a resource is away: trying again may help
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar


class Phrase(str):
    """Words from the catalogue (mrv.messages.phrase) that stand as a parameter within a sentence: text in English, said
    in the language of the sentence around them."""

    message: str
    params: dict[str, str]

    def __new__(cls, english: str, message: str, params: dict[str, str]) -> Phrase:
        made = super().__new__(cls, english)
        made.message, made.params = message, params
        return made


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: `code` is `<domain>.<name>`, `where` is `file:line field`, a meter or a topic."""

    code: str
    where: str = ""
    params: dict[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> dict[str, str]:
        """The parameters as plain text, to be stored or sent: a Phrase within them is English."""
        return {name: str(value) for name, value in self.params.items()}

    @property
    def domain(self) -> str:
        return self.code.partition(".")[0]


def fault(code: str, where: str = "", **params: object) -> Fault:
    """A Fault with its parameters spelled as text."""
    spelled = {name: value if isinstance(value, Phrase) else str(value) for name, value in params.items()}
    return Fault(code, where, spelled)


class MrvError(Exception):
    """Carries one or more faults; foreign exceptions are turned into one of these in their border file."""

    retryable: ClassVar[bool] = False

    def __init__(self, *faults: Fault) -> None:
        super().__init__(
            "; ".join(f"{f.where}: {f.code} {f.params}" if f.where else f"{f.code} {f.params}" for f in faults)
        )
        self.faults = faults


class BadInput(MrvError):
    """The input is wrong: fix it."""


class Refused(MrvError):
    """Well formed and not acceptable here."""


class Unavailable(MrvError):
    """Away for now: trying again may help."""

    retryable = True


def raise_all(faults: Iterable[Fault]) -> None:
    """Raise BadInput with every fault at once, or nothing when there is none."""
    found = tuple(faults)
    if found:
        raise BadInput(*found)
