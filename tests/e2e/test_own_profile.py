"""A meter nobody has a profile for yet: from a file beside site.yaml to a figure that the auditor finds clean.

The site's end is the daemon on a clock turned by hand; the office's and the auditor's are their real commands. The
profile is experimental, so the site reads with it only because the meters were compared with their displays.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import desk as stand_in
import msgspec
import pytest
from desk import Desk, PaperSite
from fakes import FakeClock
from gateway import running, write

from agent import cli as agent
from agent import config, keys
from agent.store import Store
from collector.admit import Admission
from collector.cli import main as collector
from drivers import commission_gate, commission_record, profiles, spool
from drivers.commission_proof import Bracket, Comparison, Shown
from drivers.commission_record import Commissioned, Compared
from mrv import commissioning, leaf
from mrv.binding import Settings
from mrv.errors import BadInput
from mrv.leaf import MeterEvent
from mrv.measurand import Measurand
from mrv.reading import Reading
from verify.cli import main as verify

TEXT = profiles.source_text("eastron_sdm630").replace("id: eastron_sdm630\n", "id: our_meter\nstatus: experimental\n")
OURS = profiles.load(TEXT, "our_meter.yaml")
DIGEST = leaf.digest(leaf.canonical(OURS))
ORG, SITE = "example", "demo-factory"
METERS = ("pv-main", "pv-inverter", "chiller-1")
EQUAL = Comparison(
    "equal",
    Shown(Fraction("1003.6"), Fraction("0.1")),
    Bracket(Fraction("1003.64"), Fraction("1003.64"), Fraction("0.001")),
)


def beside(folder: Path) -> None:
    """Both files of a site, and the profile beside them."""
    write(folder, **{"profile: eastron_sdm630": "profile: our_meter, acknowledged: Tran B"})
    (folder / profiles.OWN).mkdir()
    (folder / profiles.OWN / "our_meter.yaml").write_text(TEXT)


def compared(folder: Path) -> None:
    """What `mrv-meter commission` leaves behind for each meter."""
    one = (Compared(Measurand.ACTIVE_ENERGY_IMPORT, (EQUAL,), (1000,)),)
    (folder / commission_gate.RECORDS).mkdir()
    for number, name in enumerate(METERS):
        found = Commissioned(meter=name, who="Tran B", profile=OURS, settings=Settings(), compared=one)
        record = commission_record.record(found, 1000 + number)
        (folder / commission_gate.RECORDS / f"{name}.json").write_bytes(commissioning.encode(record))
        spool.put(folder, record)


async def three_minutes(folder: Path) -> None:
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(200)


@pytest.fixture(name="site")
def a_site_that_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """One that compared its meters, or one (param "careless") whose agent was made not to ask."""
    folder = tmp_path / "site"
    folder.mkdir()
    beside(folder)
    with pytest.raises(BadInput) as caught:
        config.load(folder)
    assert {found.code for found in caught.value.faults} == {"tool.experimental_not_compared"}
    if getattr(request, "param", "") == "careless":
        monkeypatch.setattr(commission_gate, "refusal", lambda *_: None)
    else:
        compared(folder)
    asyncio.run(three_minutes(folder))
    return folder


@pytest.fixture(name="office")
def an_office_that_received(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Site, plan and binding are approved by command; the whole log was received and judged."""
    monkeypatch.setattr(stand_in, "ORG", ORG)
    desk = Desk(tmp_path)
    log = Store(site / "state" / "log.sqlite")
    paper = PaperSite(list(log.since(0)))
    log.close()
    paper.key = keys.load(site / "state", paper.origin)
    desk.database.close()
    office, binding = desk.folder.path, tmp_path / "binding.json"
    assert agent.main(["check", "--dir", str(site), "--binding-out", str(binding)]) == 0
    files = ["--key", paper.key.vkey, "--plan", str(site / "plan.yaml"), "--binding", str(binding)]
    assert collector(["enroll", SITE, "--dir", str(office), *files]) == 0
    desk = Desk(tmp_path)
    assert desk.deliver(paper.bundle(0, len(paper.leaves))).receipt
    Admission(desk.archive, desk.registry).catch_up(paper.origin, desk.now)
    desk.database.close()
    return office


Asked = Callable[..., list[set[str]]]


@pytest.fixture(name="summaries")
def asked_for_summaries(office: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    """Why each summary waits, by `mrv-collector summaries`."""

    def asked() -> list[set[str]]:
        capsys.readouterr()
        assert collector(["summaries", "--dir", str(office), "--json"]) == 0
        return [{found["code"] for found in one["reasons"]} for one in json.loads(capsys.readouterr().out)]

    return asked


def test_the_daemon_logs_the_comparison_before_the_first_reading(site: Path) -> None:
    log = Store(site / "state" / "log.sqlite")
    facts = [leaf.decode(data) for data in log.since(0)]
    log.close()
    events = [i for i, f in enumerate(facts) if isinstance(f, MeterEvent) and f.event == commissioning.COMMISSIONED]
    assert len(events) == len(METERS)
    assert max(events) < next(i for i, fact in enumerate(facts) if isinstance(fact, Reading))


def test_check_says_what_the_office_must_see(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agent.main(["check", "--dir", str(site), "--json"]) == 0
    (note,) = [one for one in json.loads(capsys.readouterr().out)["notes"] if one["code"] == "agent.own_profile"]
    assert note["params"] == {"profile": "our_meter", "digest": DIGEST, "file": "profiles/our_meter.yaml"}


def test_quarantined_then_approved_then_admitted_and_clean(
    office: Path, summaries: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = summaries()
    assert len(found) == 3
    assert all("audit.profile_unknown" in reasons for reasons in found)
    assert "audit.not_commissioned" not in set().union(*found)
    own = tmp_path / "site" / profiles.OWN / "our_meter.yaml"
    approve = ["profiles", "approve", str(own), "--site", SITE, "--dir", str(office)]
    assert collector(approve) == 0
    assert summaries() == [set()] * 3
    assert collector(["export", SITE, "--dir", str(office), "--out", str(tmp_path / "audit")]) == 0
    assert verify([str(tmp_path / "audit")]) == 0
    assert verify([str(without(tmp_path / "audit"))]) == 1
    said = capsys.readouterr().out
    assert f"the profile our_meter in the log ({DIGEST})" in said
    assert "mrv-collector profiles approve our_meter.yaml --site" in said, "what to do about it"


def without(folder: Path) -> Path:
    """The same export, but for the approval."""
    copy = shutil.copytree(folder, folder.with_name("unapproved"))
    says = json.loads((copy / "manifest.json").read_text())
    assert says.pop("profiles") == [DIGEST]
    (copy / "manifest.json").write_text(json.dumps(says))
    return copy


def test_an_approval_the_journal_does_not_know(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An office that exports an approval nobody gave is found by its own journal."""
    assert collector(["export", SITE, "--dir", str(office), "--out", str(tmp_path / "audit")]) == 0
    path = tmp_path / "audit" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"profiles": [DIGEST]}))
    capsys.readouterr()
    assert verify([str(tmp_path / "audit"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in report["findings"]] == ["verify.approval_unlogged"]


def test_tenfold_under_the_same_name_stays_out(
    office: Path, summaries: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the office approved and what the log reads by bear one name and differ in a scale."""
    values = dict(OURS.values)
    for name in OURS.counters:
        values[name] = msgspec.structs.replace(values[name], scale=values[name].scale * 10)
    other = msgspec.structs.replace(OURS, values=values)
    theirs = tmp_path / "our_meter.yaml"
    theirs.write_bytes(leaf.canonical(other))  # JSON is YAML
    assert collector(["profiles", "approve", str(theirs), "--site", SITE, "--dir", str(office)]) == 0
    assert all("audit.profile_unknown" in reasons for reasons in summaries())
    assert collector(["export", SITE, "--dir", str(office), "--out", str(tmp_path / "audit")]) == 0
    assert verify([str(tmp_path / "audit")]) == 1


@pytest.mark.parametrize("site", ["careless"], indirect=True)
def test_what_nobody_compared_is_found_by_the_office_and_by_the_auditor(
    office: Path, summaries: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "site" / profiles.OWN / "our_meter.yaml"
    assert collector(["profiles", "approve", str(own), "--site", SITE, "--dir", str(office)]) == 0
    assert summaries() == [{"audit.not_commissioned"}] * 3
    assert collector(["export", SITE, "--dir", str(office), "--out", str(tmp_path / "audit")]) == 0
    capsys.readouterr()
    assert verify([str(tmp_path / "audit"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [{why["code"] for why in one["reasons"]} for one in report["summaries"]] == [{"audit.not_commissioned"}] * 3
