"""`mrv-meter scan --one-by-one`: each meter gets its own id and the speed of the line, one after the other.

The technician changes settings on the meter's own keypad (there is no write here), the tool says what to set, shows the
keypad steps of the profile, and looks whether it worked. Ends with `q`, or when stdin ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drivers import survey
from drivers.dialogue import Dialogue
from drivers.one_by_one import Step, step
from drivers.scan_plan import Speed
from drivers.survey import Met

#: Scans the line with whatever hangs on it now, given the ids that were given, and says who answers.
Look = Callable[[Sequence[int]], Sequence[Met]]


def guided(dialogue: Dialogue, look: Look, target: Speed | None) -> tuple[Met, ...]:
    """The meters that now have ids of their own, in the order in which they were connected."""
    done: list[Met] = []
    dialogue.say("guide_begins", speed=target or "")
    while not _stops(dialogue, "connect_next", number=len(done) + 1):
        one = _settled(dialogue, look, [met.found.unit for met in done], target)
        if one is None:
            break
        done.append(one)
        dialogue.say("guide_done", name=one.name or "?", unit=one.found.unit, count=len(done))
    dialogue.say("guide_ends", count=len(done), units=", ".join(str(met.found.unit) for met in done) or "-")
    return tuple(done)


def _settled(dialogue: Dialogue, look: Look, taken: Sequence[int], target: Speed | None) -> Met | None:
    """The one meter on the line once it is as it should be; None when the technician stops."""
    told: tuple[int, ...] = ()
    while True:
        met = look((*told, *taken))
        now = step([one.found for one in met], met[0].doubt if len(met) == 1 else "", taken, target)
        if now.action == "next":
            return met[0]
        _say(dialogue, now, met)
        told = (now.unit,) if now.action == "set" else told
        if _stops(dialogue, "look_again"):
            return None


def _say(dialogue: Dialogue, now: Step, met: Sequence[Met]) -> None:
    if now.action != "set":
        listed = ", ".join(f"{one.found.unit}" for one in met)
        dialogue.say(f"guide_{now.action}", units=listed)
        return
    dialogue.say("guide_set", name=met[0].name or "?", unit=now.unit, speed=now.speed or "", old=met[0].found.unit)
    for line in survey.keypad(met[0]):
        dialogue.print(f"    {line}")


def _stops(dialogue: Dialogue, key: str, number: int = 0) -> bool:
    """Whether the answer is q; Enter goes on."""
    return dialogue.ask(
        key, lambda answer: answer.lower() == "q", default="", at_end="q", params={"number": str(number)}
    )
