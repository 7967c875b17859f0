"""A meter that says its own transformer ratio, in a whole log: registers are secondary, the ratio stands beside them.

The profile is an SDM630 made to stand behind a CT whose ratio it shows in input register 76, as a DTSU666 does.
"""

from __future__ import annotations

import msgspec
import pytest
import site_log
from site_log import EVERY, T0, SiteLog, demo_binding, demo_plan

from drivers.profiles import library
from mrv import codec, known, leaf, profile_fit
from mrv.audit import Approvals, admit
from mrv.binding import Settings
from mrv.leaf import Usage
from mrv.profile import Factor, Profile, Ratio
from mrv.reading import Reading

MINUTE, STEP, CT = 60_000, EVERY * 1000, 76


@pytest.fixture(autouse=True)
def profile(monkeypatch: pytest.MonkeyPatch) -> Profile:
    plain = library()["eastron_sdm630"]
    values = {
        name: msgspec.structs.replace(value, ratio="ct") if name in plain.counters else value
        for name, value in plain.values.items()
    }
    made = msgspec.structs.replace(
        plain,
        values=values,
        ratio=Ratio(source="register", ct=("ct",)),
        factors={"ct": Factor(kind="multiply", at=CT, type="uint16", table="input")},
    )
    monkeypatch.setattr(site_log, "library", lambda: {"eastron_sdm630": made})
    digests = frozenset({leaf.digest(leaf.canonical(made))})
    monkeypatch.setattr(known, "PROFILES", {"eastron_sdm630": digests})
    return made


def read(log: SiteLog, ts: int, kwh: float, ratio: int) -> None:
    for meter in ("chiller-1", "pv-main"):
        plain = log.reading(meter, ts, kwh=kwh, export=kwh)
        words = dict(codec.unpack(plain.raw)) | {("i", CT): ratio}
        made = site_log.library()["eastron_sdm630"]
        registers = codec.registers(made, codec.decode(made, Settings(), words))
        log.add(msgspec.structs.replace(plain, registers=registers, raw=codec.pack(words)))


def usages(log: SiteLog) -> list[Usage]:
    _, judgements = log.judged()
    assert [finding for judgement in judgements for finding in judgement.findings] == []
    return [usage for judgement in judgements for usage in judgement.usages if usage.meter == "chiller-1"]


def test_the_ratio_is_read_with_the_counters_and_scales_their_difference() -> None:
    log = SiteLog()
    for slot in range(7):
        read(log, T0 + slot * STEP, 1000 + slot * 0.125, 80)
        log.close()
    (usage,) = usages(log)
    assert usage.registers["1.8.0"].by == {"80": "0.750"}
    assert usage.ratio == "80"
    assert log.judgements[0].summary.projects[1].missing == ()
    assert log.judgements[0].summary.projects[1].emissions == f"{0.75 * 80 * 0.6:.6f}"


def test_a_ratio_that_changes_holds_the_point_and_each_part_keeps_its_own() -> None:
    log = SiteLog()
    for slot in range(19):
        read(log, T0 + slot * STEP, 1000 + slot * 0.125, 80 if slot < 8 else 60)
        log.close()
    found = usages(log)
    parts = [usage.registers["1.8.0"].by for usage in found]
    assert parts == [{"80": "0.750"}, {"80": "0.125"}, {"60": "1.375"}]
    assert [list(usage.holds) for usage in found] == [[], [], ["ratio"]]


def test_counts_whose_ratio_cannot_be_told_are_kept_and_not_counted() -> None:
    log = SiteLog()
    for slot in range(7):
        read(log, T0 + slot * STEP, 1000 + slot * 0.125, 0 if slot == 6 else 80)
        log.close()
    facts = [fact for fact in map(leaf.decode, log.leaves) if isinstance(fact, Reading)]
    assert len(facts) == 14
    assert log.judgements[0].usages[0].flags == ("first", "carried")


def test_two_sources_of_the_ratio_are_refused(profile: Profile) -> None:
    settings = Settings(ratio="400/5")
    found = [code for _, code, _ in profile_fit.misfits(profile, settings)]
    assert found == ["meter.ratio_twice_register"]
    log = SiteLog(binding=demo_binding(settings=settings))
    for slot in range(7):
        read(log, T0 + slot * STEP, 1000 + slot * 0.125, 80)
        log.close()
    assert log.judgements[0].usages[0].registers == {}, "nothing is counted under a ratio that has two sources"
    binding = leaf.digest(leaf.canonical(demo_binding(settings=settings)))
    approved = Approvals(plans=frozenset({leaf.digest(leaf.canonical(demo_plan()))}), bindings=frozenset({binding}))
    (judgement,) = log.judged()[1]
    problems = {reason.params.get("problem") for reason in admit(judgement, approved).reasons}
    assert "meter.ratio_twice_register" in problems, "approved by mistake is refused all the same"
