"""The questions about a meter that no wire answers: its name, its point, its CT, its direction, who was there.

Answers are checked one by one, so that a person is told at once and a script gets the key that is wrong. What is said
twice in `site.yaml` is refused here, before any work is put into comparing numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from msgspec import structs

from drivers import commission_proof as proof
from drivers import plausible
from drivers.candidate import Candidate
from drivers.commission_proof import DIRECT, Direction, Installation
from drivers.commission_site import SiteFolder
from drivers.dialogue import Dialogue
from drivers.wiring import Line
from mrv import profile_fit
from mrv.binding import METER_ID, POINT_ID, RATIO, Settings
from mrv.errors import BadInput, Refused, fault
from mrv.measurand import Measurand
from mrv.messages import text

#: A ratio of one, as site.yaml has it.
NO_TRANSFORMER = "1/1"
_AMPERES = re.compile(r"[0-9]{1,6}([.,][0-9]{1,3})?")


def matching(pattern: str, code: str) -> Callable[[str], str]:
    """Answers that look like `pattern`."""

    def check(answer: str) -> str:
        if not re.fullmatch(pattern.strip("^$"), answer):
            raise BadInput(fault(code, "", answer=answer[:40]))
        return answer

    return check


def name_and_point(dialogue: Dialogue, site: SiteFolder, line: Line, unit: int) -> tuple[str, str]:
    """What the meter is called and which point it stands at. Raises Refused when either is taken, or its place is."""
    _refuse_twice(site, {"unit": unit}, line)
    free = site.points()
    if free:
        dialogue.say("points_free", points=", ".join(free))

    def point(answer: str) -> str:
        matching(POINT_ID, "tool.bad_point")(answer)
        if site.plan and answer not in {one.id for one in site.plan.points}:
            raise BadInput(fault("tool.point_not_in_plan", "", answer=answer, known=", ".join(free) or "-"))
        _refuse_twice(site, {"point": answer}, line)
        return answer

    def meter(answer: str) -> str:
        matching(METER_ID, "tool.bad_meter_id")(answer)
        _refuse_twice(site, {"id": answer}, line)
        return answer

    chosen = dialogue.ask("point", point, default=free[0] if len(free) == 1 else None)
    suggested = re.sub(r"[^a-z0-9]+", "-", chosen.lower()).strip("-")
    return dialogue.ask("meter", meter, default=suggested or None), chosen


def _refuse_twice(site: SiteFolder, meter: dict[str, object], line: Line) -> None:
    twice = tuple(site.twice(meter, line))
    if twice:
        raise Refused(*twice)


def interval(dialogue: Dialogue, usual: int) -> int:
    """Seconds between readings."""

    def check(answer: str) -> int:
        if not answer.isdecimal() or not 1 <= int(answer) <= 3600:
            raise BadInput(fault("tool.bad_interval", "", answer=answer[:40]))
        return int(answer)

    return dialogue.ask("every", check, default=str(usual))


def person(dialogue: Dialogue) -> str:
    """Who answers for what was compared."""
    return dialogue.ask("who", matching(r"\S.{1,99}", "tool.bad_name"))


def nameplate(dialogue: Dialogue) -> str:
    """ "400/5", "direct", or "" for not looked at."""

    def check(answer: str) -> str:
        found = answer.replace(" ", "").lower()
        if found in ("", DIRECT) or re.fullmatch(RATIO.strip("^$"), found):
            return found
        raise BadInput(fault("tool.bad_nameplate", "", answer=answer[:40]))

    return dialogue.ask("nameplate", check, default="")


#: What the meter says under settings that are complete but for a voltage transformer.
Look = Callable[[Settings], Mapping[Measurand, Decimal]]


def settings(dialogue: Dialogue, candidate: Candidate, look: Look) -> Settings:
    """The candidate's settings with what only a person can tell: ratios, summation, numbers of the meter's menu."""
    found = candidate.settings
    for path, code, params in tuple(profile_fit.misfits(candidate.profile, found)):
        if code == "meter.ratio_missing":
            found = structs.replace(found, ratio=dialogue.ask("ratio", _current_ratio))
            found = structs.replace(found, vt_ratio=_voltage_ratio(dialogue, look(found)))
        elif code == "meter.summation_missing":
            found = structs.replace(found, summation=dialogue.ask("summation", _summation))
        elif code == "meter.parameter_missing":
            name, note = str(params["name"]), str(params["note"])
            number = dialogue.ask("parameter", _number, about=name, params={"note": note})
            found = structs.replace(found, parameters=found.parameters | {name: number})
        else:
            raise BadInput(fault(code, ".".join(map(str, path)), **params))
    return found


def _current_ratio(answer: str) -> str:
    """`direct` is a ratio of one: the profile needs a number."""
    return NO_TRANSFORMER if answer.lower() == DIRECT else matching(RATIO, "tool.bad_nameplate")(answer)


def _voltage_ratio(dialogue: Dialogue, seen: Mapping[Measurand, Decimal]) -> str:
    """The ratio of the voltage transformers. Enter means none only where the volts are none of a secondary."""

    def check(answer: str) -> str:
        found = answer.replace(" ", "")
        if not re.fullmatch(RATIO.strip("^$"), found) or Fraction(found) < 1:
            raise BadInput(fault("tool.bad_vt_ratio", "", answer=answer[:40]))
        return found

    volts = [f"{value:f}" for measurand, value in seen.items() if measurand.unit == "V"]
    params = {"volts": f"{' / '.join(volts)} V" if volts else text("tool.no_volts", dialogue.tongue)}
    default = NO_TRANSFORMER if plausible.low_voltage(seen) else None
    return dialogue.ask("vt_ratio", check, default=default, params=params)


def _summation(answer: str) -> Literal["vector", "per_phase", "absolute"]:
    known: dict[str, Literal["vector", "per_phase", "absolute"]] = {
        "vector": "vector",
        "per_phase": "per_phase",
        "absolute": "absolute",
    }
    if answer.lower() not in known:
        raise BadInput(fault("tool.bad_summation", "", answer=answer[:40]))
    return known[answer.lower()]


def _number(answer: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,9}([.,][0-9]{1,6})?", answer) or not Decimal(answer.replace(",", ".")):
        raise BadInput(fault("tool.bad_number", "", answer=answer[:40]))
    return Decimal(answer.replace(",", "."))


def amperes(dialogue: Dialogue, phase: int, before: Fraction | None = None) -> Fraction | None:
    """What the clamp shows; None for not measured. `before`: what was said a moment ago, and Enter keeps."""

    def check(answer: str) -> Fraction | None:
        found = answer.removesuffix("A").strip()
        if not found:
            return before
        if not _AMPERES.fullmatch(found):
            raise BadInput(fault("tool.bad_amperes", "", answer=answer[:40]))
        return Fraction(found.replace(",", "."))

    key = "clamp" if before is None else "clamp_again"
    return dialogue.ask(key, check, default="", about=f"L{phase + 1}")


def direction(dialogue: Dialogue, before: Direction | None = None) -> Direction | None:
    """Whether the circuit takes or gives energy now, as the technician knows it. Enter keeps what was said before."""

    def check(answer: str) -> Direction | None:
        known: dict[str, Direction | None] = {
            "import": "import",
            "i": "import",
            "export": "export",
            "e": "export",
            "": before,
        }
        if answer.lower() not in known:
            raise BadInput(fault("tool.bad_direction", "", answer=answer[:40]))
        return known[answer.lower()]

    return dialogue.ask("direction" if before is None else "direction_again", check, default="")


def yes(dialogue: Dialogue, key: str, default: bool, **params: object) -> bool:
    """A question with yes or no for an answer (in the languages of the catalogue)."""

    def check(answer: str) -> bool:
        word = answer.lower()
        if word in ("y", "yes", "c", "có", "co"):
            return True
        if word in ("n", "no", "k", "không", "khong"):
            return False
        raise BadInput(fault("tool.bad_yes", "", answer=answer[:40]))

    spelled = {name: str(value) for name, value in params.items()}
    usual = text("tool.letter_yes" if default else "tool.letter_no", dialogue.tongue)
    return dialogue.ask(key, check, default=usual, params=spelled)


def installation(clamps: dict[int, Fraction], plate: str, known: Direction | None) -> Installation:
    return proof.Installation(clamps, plate, known)
