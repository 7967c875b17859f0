"""A profile that a site brings along counts once the office approved its digest for that site; no other text does."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brokers import free_port, until
from desk import Desk, PaperSite
from running import Office, wire
from site_log import T0, SiteLog, demo_binding, demo_plan

from collector import journal
from collector.admit import Admission
from collector.cli import main
from collector.own import OwnRequest, carry_out
from collector.verdicts import decode_faults
from drivers import profiles
from mrv import leaf
from mrv.errors import BadInput, Refused
from mrv.profile import Profile

MINUTE = 60_000
TEXT = profiles.source_text("eastron_sdm630").replace("id: eastron_sdm630", "id: our_meter")
OURS = profiles.load(TEXT, "our_meter.yaml")
DIGEST = leaf.digest(leaf.canonical(OURS))
PLAN, BINDING = demo_plan(min_coverage=Decimal(0)), demo_binding(profile="our_meter")
UNKNOWN = {"audit.profile_unknown", "audit.usages_differ", "audit.summary_differs"}


def tenfold(honest: Profile) -> Profile:
    """The same in every other word, its counters too."""
    values = {
        name: msgspec.structs.replace(value, scale=value.scale * 10) if "energy" in name else value
        for name, value in honest.values.items()
    }
    return msgspec.structs.replace(honest, values=values)


def delivered(path: Path, own: Profile, minutes: int = 3) -> tuple[Desk, PaperSite, int]:
    """A log under the site's own profile; all but its last minute is received and judged. The size received."""
    desk, site = Desk(path), PaperSite([])
    log = SiteLog(plan=PLAN, binding=BINDING, key=site.key.vkey, profiles=(own,))
    log.run(T0, T0 + (minutes - 1) * MINUTE + 30_000)
    size = len(log.leaves)
    log.run(T0 + (minutes - 1) * MINUTE + 30_000, T0 + minutes * MINUTE + 10_000)
    site.leaves = log.leaves
    desk.enroll(site, plan=leaf.canonical(PLAN).decode(), binding=leaf.canonical(BINDING).decode())
    desk.deliver(site.bundle(0, size))
    return desk, site, size


def reasons(desk: Desk, site: PaperSite) -> list[set[str]]:
    rows = desk.archive.verdicts(origin=site.origin)
    return [{found.code for found in decode_faults(row.reasons)} for row in rows]


def approve(desk: Desk, profile: Profile = OURS, **changes: Any) -> tuple[str, ...]:
    body = leaf.canonical(profile).decode()
    request = {"what": "profile", "who": "test", "site": "demo-factory", "body": body} | changes
    return carry_out(OwnRequest(**request), desk.registry, desk.now)


def test_it_waits_for_the_office_and_then_counts_before_and_after(tmp_path: Path) -> None:
    desk, site, size = delivered(tmp_path, OURS)
    running = Admission(desk.archive, desk.registry)
    running.catch_up(site.origin, desk.now)
    assert reasons(desk, site) == [UNKNOWN] * 2
    assert approve(desk) == (f"profile our_meter {DIGEST[:16]}",)
    assert approve(desk) == (), "said once"
    assert len(running.judge_again(site.site, desk.now)) == 2
    assert reasons(desk, site) == [set()] * 2
    desk.deliver(site.bundle(size, len(site.leaves)))
    running.catch_up(site.origin, desk.now)
    assert reasons(desk, site) == [set()] * 3, "the account that disbelieved the readings was dropped"


def test_handed_to_the_daemon_that_runs(tmp_path: Path) -> None:
    """The account it keeps between bundles is counted anew: what came before is admitted, and what comes after."""
    port, site, own = free_port(), PaperSite([]), tmp_path / "our_meter.yaml"
    log = SiteLog(plan=PLAN, binding=BINDING, key=site.key.vkey, profiles=(OURS,))
    log.run(T0, T0 + 2 * MINUTE + 10_000)
    size = len(log.leaves)
    log.run(T0 + 2 * MINUTE + 10_000, T0 + 3 * MINUTE + 10_000)
    site.leaves = log.leaves
    own.write_text(TEXT)
    desk = Desk(tmp_path)
    desk.enroll(site, plan=leaf.canonical(PLAN).decode(), binding=leaf.canonical(BINDING).decode())
    desk.database.close()
    office = Office(desk.folder.path, "--embedded-broker", "--listen", f"127.0.0.1:{port}")

    def admitted() -> list[bool]:
        done = office.call("summaries", "--dir", str(office.folder), "--json")
        return [one["admitted"] for one in json.loads(done.stdout)]

    try:
        office.start()
        with wire(port, site) as heard:
            until(lambda: heard.office == "online", 20)
            heard.say(site.bundle(0, size))
            until(lambda: admitted() == [False, False], 20)
            approve = ["profiles", "approve", str(own), "--site", site.site, "--dir", str(office.folder)]
            assert office.call(*approve).stdout == f"profile our_meter {DIGEST[:16]}\n"
            until(lambda: admitted() == [True, True], 20)
            heard.say(site.bundle(size, len(site.leaves)))
            until(lambda: admitted() == [True, True, True], 20)
        assert office.stop() == 0
    finally:
        office.close()


def test_approved_by_another_collector_while_a_bundle_is_on_its_way(tmp_path: Path) -> None:
    """Nobody tells this one to judge again: it sees the approval when the log grows, and counts anew by itself."""
    desk, site, size = delivered(tmp_path, OURS)
    running = Admission(desk.archive, desk.registry)
    running.catch_up(site.origin, desk.now)
    approve(desk)
    desk.deliver(site.bundle(size, len(site.leaves)))
    running.catch_up(site.origin, desk.now)
    assert reasons(desk, site) == [set()] * 3


def test_what_came_wrong_behind_an_unbelieved_period_is_judged_again(tmp_path: Path) -> None:
    """From the second minute on the meters are read by the released profile: their chains begin where nobody doubts."""
    desk, site = Desk(tmp_path), PaperSite([])
    log = SiteLog(plan=PLAN, binding=BINDING, key=site.key.vkey, profiles=(OURS,))
    log.run(T0, T0 + MINUTE + 30_000)
    log.configure(T0 + MINUTE + 30_000, PLAN, demo_binding())
    log.run(T0 + MINUTE + 30_000, T0 + 3 * MINUTE + 10_000)
    site.leaves = log.leaves
    desk.enroll(site, plan=leaf.canonical(PLAN).decode(), binding=leaf.canonical(BINDING).decode())
    desk.enroll(site, key=None, binding=leaf.canonical(demo_binding()).decode())
    desk.deliver(site.bundle(0, len(site.leaves)))
    running = Admission(desk.archive, desk.registry)
    running.catch_up(site.origin, desk.now)
    assert [bool(found) for found in reasons(desk, site)] == [True, True, False]
    approve(desk)
    running.judge_again(site.site, desk.now)
    assert reasons(desk, site) == [set()] * 3


def test_the_same_name_with_another_text_is_nobodys(tmp_path: Path) -> None:
    """The site's profile counts tenfold under the name and revision of the approved one."""
    desk, site, _ = delivered(tmp_path, tenfold(OURS))
    approve(desk)
    running = Admission(desk.archive, desk.registry)
    running.catch_up(site.origin, desk.now)
    assert running.judge_again(site.site, desk.now) == ()
    assert reasons(desk, site) == [UNKNOWN] * 2
    with pytest.raises(Refused) as caught:
        approve(desk, tenfold(OURS))
    assert caught.value.faults[0].code == "collector.profile_taken", "one revision, one text"
    assert approve(desk, msgspec.structs.replace(OURS, revision=OURS.revision + 1)) != ()


def test_an_approved_profile_under_another_approved_name(tmp_path: Path) -> None:
    """Both are approved; the log reads one meter by the other's text."""
    second = msgspec.structs.replace(tenfold(OURS), id="our_second_meter")
    log = SiteLog(plan=PLAN, binding=BINDING, key=PaperSite([]).key.vkey, profiles=(OURS,))
    log.profiles["our_meter"] = second
    log.configure(T0, PLAN, BINDING)
    log.run(T0, T0 + MINUTE + 10_000)
    desk, site = Desk(tmp_path), PaperSite(log.leaves)
    desk.enroll(site, plan=leaf.canonical(PLAN).decode(), binding=leaf.canonical(BINDING).decode())
    approve(desk)
    approve(desk, second)
    desk.deliver(site.bundle(0, len(site.leaves)))
    Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    assert all("audit.profile_unknown" in found for found in reasons(desk, site))


def test_what_cannot_be_approved(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.enroll(PaperSite([]))
    for spoilt in ("{}", "[", leaf.canonical(OURS).decode().replace('"voltage_l1"', '"voltage_l9"')):
        with pytest.raises(BadInput):
            approve(desk, body=spoilt)
    with pytest.raises(BadInput):
        approve(desk, site="elsewhere")
    with pytest.raises(Refused) as caught:
        approve(desk, tenfold(profiles.library()["eastron_sdm630"]))
    assert caught.value.faults[0].code == "collector.profile_taken", "the name of a released one"
    with pytest.raises(Refused) as caught:
        approve(desk, msgspec.structs.replace(OURS, caveats=("long " * 99,) * 80))
    assert caught.value.faults[0].code == "collector.own_too_large", "the journal could not be read any more"
    assert desk.registry.approvals("demo-factory").profiles == frozenset()


def test_the_text_of_a_released_profile_can_be_put_into_the_journal_as_it_is(tmp_path: Path) -> None:
    """For a decoder fix, which is decoded by a text that the journal carries."""
    desk, released = Desk(tmp_path), profiles.library()["eastron_sdm630"]
    desk.enroll(PaperSite([]))
    assert approve(desk, released) == (f"profile eastron_sdm630 {leaf.digest(leaf.canonical(released))[:16]}",)
    with pytest.raises(Refused):
        approve(desk, msgspec.structs.replace(released, revision=released.revision + 1))


def test_an_approval_is_for_one_site_and_stands_in_its_journal(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for name, seed in (("demo-factory", 1), ("other-factory", 2)):
        desk.enroll(PaperSite([], site=name, seed=seed))
    approve(desk)
    assert desk.registry.approvals("demo-factory").profiles == {DIGEST}
    assert desk.registry.approvals("other-factory").profiles == frozenset()
    (line,) = [line for line in journal.held(desk.database, "demo-factory").changes if line.what == "profile"]
    assert (line.detail["name"], line.detail["digest"], line.by) == ("our_meter", DIGEST, "test")
    assert msgspec.json.decode(line.detail["body"], type=Profile) == OURS
    assert journal.held(desk.database, "demo-factory").findings == ()


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path)
    desk.enroll(PaperSite([]))
    desk.database.close()
    office, own = str(desk.folder.path), tmp_path / "our_meter.yaml"
    own.write_text(TEXT.replace("scale: 1\n", "scale: one\n", 1) + "nonsense: 1\n")
    assert main(["profiles", "approve", str(own), "--site", "demo-factory", "--dir", office]) == 2
    assert f"{own}:" in capsys.readouterr().err, "file and line"
    own.write_text(TEXT)
    assert main(["profiles", "approve", str(own), "--site", "demo-factory", "--dir", office, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"did": "approve", "steps": [f"profile our_meter {DIGEST[:16]}"]}
    assert main(["profiles", "list", "--dir", office, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["site"], row["profile"], row["status"], row["digest"]) == (
        "demo-factory",
        "our_meter",
        "usable",
        DIGEST,
    )
