"""Questions to a technician: answered by a script where it has the answer, else asked until the answer makes sense.

Every question has a key, so that what can be typed can be scripted: `--answer meter=chiller-1` or a file of such pairs.
A wrong answer from a file is a fault with its key; a wrong answer from a person is explained and asked again. Ctrl-C
goes through. Texts come from the catalogue: question `tool.ask_<key>`.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import TextIO, TypeVar

from mrv.errors import BadInput, Fault, MrvError, fault
from mrv.messages import sentence, text

Result = TypeVar("Result")


def plain(answer: str) -> str:
    """Any answer."""
    return answer


class Dialogue:
    """`read` gives one line a person typed (raises EOFError at the end); what is said goes to `out`."""

    def __init__(
        self,
        answers: Mapping[str, str],
        tongue: str,
        *,
        out: TextIO | None = None,
        read: Callable[[], str] | None = None,
    ) -> None:
        self.tongue = tongue
        self._answers = dict(answers)
        self._out = out if out is not None else sys.stderr
        self._read = read if read is not None else _line
        self._used: set[str] = set()

    def say(self, message: str = "", /, **params: object) -> None:
        """A text of the catalogue, or an empty line."""
        self.print(text(f"tool.{message}", self.tongue, **{k: str(v) for k, v in params.items()}) if message else "")

    def print(self, line: str) -> None:
        """Something that is no text: a table, a number."""
        print(folded(line, self._out), file=self._out, flush=True)

    def warn(self, *faults: Fault) -> None:
        """Faults that do not end the work."""
        for found in faults:
            self.print(sentence(found, self.tongue))

    def scripted(self, key: str, about: str = "") -> bool:
        """Whether a script answers this question: it cannot be asked for a better answer."""
        return (f"{key}.{about}" if about else key) in self._answers

    def ask(
        self,
        key: str,
        check: Callable[[str], Result],
        *,
        default: str | None = None,
        at_end: str | None = None,
        about: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Result:
        """What `check` makes of the answer. `about` is what the key is asked for: `display` of `active_energy_import`.

        `default` is what Enter means, and also the end of stdin, unless `at_end` says otherwise.
        Raises BadInput: an answer of a script is wrong, or nobody is there to answer and there is no default.
        """
        name = f"{key}.{about}" if about else key
        if name in self._answers:
            self._used.add(name)
            return _checked(self._answers[name], name, check)
        question = text(f"tool.ask_{key}", self.tongue, about=about, **(params or {}))
        while True:
            prompt = folded(f"{question} [{default}]:" if default else f"{question}:", self._out) + " "
            answer, ended = self._typed(name, prompt, default, default if at_end is None else at_end)
            try:
                return check(answer)
            except BadInput as error:
                if ended:  # nobody is there to answer better
                    raise
                for found in error.faults:
                    self.warn(found)

    def unused(self) -> tuple[str, ...]:
        """Answers of the script nobody asked for: probably misspelt."""
        return tuple(sorted(self._answers.keys() - self._used))

    def _typed(self, name: str, prompt: str, default: str | None, at_end: str | None) -> tuple[str, bool]:
        """The answer, and whether stdin has ended."""
        self._out.write(prompt)
        self._out.flush()
        try:
            typed = self._read().strip()
        except EOFError:
            self.print("")
            if at_end is None:
                raise BadInput(fault("tool.answer_missing", "", key=name)) from None
            return at_end, True
        return typed or default or "", False


def folded(said: str, out: TextIO) -> str:
    """`said` with its lines broken between words where a terminal would break them within; as it is elsewhere."""
    if not out.isatty():
        return said
    width = min(shutil.get_terminal_size().columns, 100) - 1
    return "\n".join(_broken(line, width) for line in said.split("\n"))


def _broken(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip(" >-")))
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _checked(answer: str, name: str, check: Callable[[str], Result]) -> Result:
    try:
        return check(answer)
    except MrvError as error:
        raise BadInput(*(fault(f.code, name, **f.params) for f in error.faults)) from error


def _line() -> str:
    """A line from stdin, without a prompt: prompts go where everything said goes."""
    typed = sys.stdin.readline()
    if not typed:
        raise EOFError
    return typed
