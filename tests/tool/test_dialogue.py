"""Questions: a script answers, a person is asked until the answer makes sense, and the end of stdin is no answer."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from drivers.commission_place import matching, yes
from drivers.dialogue import Dialogue, plain
from mrv.binding import METER_ID
from mrv.errors import BadInput

meter_id = matching(METER_ID, "tool.bad_meter_id")


def typing(*lines: str) -> Callable[[], str]:
    left = list(lines)

    def read() -> str:
        if not left:
            raise EOFError
        return left.pop(0) + "\n"

    return read


def test_a_script_answers_and_nobody_is_asked() -> None:
    out = io.StringIO()
    dialogue = Dialogue({"meter": "chiller-1", "clamp.L1": "98"}, "en", out=out, read=typing())
    assert dialogue.ask("meter", meter_id) == "chiller-1"
    assert dialogue.ask("clamp", plain, about="L1") == "98"
    assert out.getvalue() == ""
    assert dialogue.unused() == ()


def test_a_wrong_answer_of_a_script_is_named_by_its_key() -> None:
    with pytest.raises(BadInput) as error:
        Dialogue({"meter": "Chiller 1"}, "en", out=io.StringIO(), read=typing()).ask("meter", meter_id)
    assert [(found.code, found.where) for found in error.value.faults] == [("tool.bad_meter_id", "meter")]


def test_an_answer_nobody_asked_for_is_told() -> None:
    dialogue = Dialogue({"metre": "x", "every": "15"}, "en", out=io.StringIO(), read=typing("y"))
    dialogue.ask("every", plain)
    assert dialogue.unused() == ("metre",)


def test_a_person_is_asked_again_with_the_reason() -> None:
    out = io.StringIO()
    dialogue = Dialogue({}, "vi", out=out, read=typing("Máy lạnh", "may-lanh-1"))
    assert dialogue.ask("meter", meter_id) == "may-lanh-1"
    assert "không phải là tên công tơ" in out.getvalue()


def test_enter_takes_what_is_offered_and_the_end_of_stdin_too() -> None:
    assert Dialogue({}, "en", out=io.StringIO(), read=typing("")).ask("meter", meter_id, default="pv") == "pv"
    assert Dialogue({}, "en", out=io.StringIO(), read=typing()).ask("meter", meter_id, default="pv") == "pv"
    assert Dialogue({}, "en", out=io.StringIO(), read=typing()).ask("meter", plain, default="", at_end="q") == "q"
    with pytest.raises(BadInput) as error:
        Dialogue({}, "en", out=io.StringIO(), read=typing()).ask("meter", meter_id)
    assert error.value.faults[0].params == {"key": "meter"}


@pytest.mark.parametrize(("typed", "meant"), [("y", True), ("có", True), ("K", False), ("", True), ("no", False)])
def test_yes_in_the_words_of_both_languages(typed: str, meant: bool) -> None:
    dialogue = Dialogue({}, "vi", out=io.StringIO(), read=typing(typed))
    assert yes(dialogue, "write", default=True) is meant
