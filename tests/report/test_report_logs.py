"""A year in which the site changed its key, a meter was held, and the auditor brings the project's own papers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "collector"))
from desk import Desk, PaperSite
from site_log import T0, SiteLog, demo_binding, demo_plan

from collector.admit import Admission
from collector.cli import main
from mrv import leaf
from mrv.plan import MonitoringPlan, Quantity, Rated
from verify.cli import main as verify

RATED = Rated(power=Quantity(value=Decimal(40), unit="kW"))
POINTS = tuple(msgspec.structs.replace(point, rated=RATED) for point in demo_plan().points)
PLAN, BINDING = demo_plan(min_coverage=Decimal(0), points=POINTS), demo_binding(serial="17")
MINUTE = 60_000
DAY = ("--from", "2026-03-02", "--to", "2026-03-02")
SHA = "cd" * 32


def deliver(desk: Desk, log: SiteLog, site: PaperSite, epoch: int = 1) -> list[bool]:
    """Everything up to the newest summary; whether each was admitted."""
    newest = max(i for i, data in enumerate(log.leaves) if b'"k":"summary"' in data)
    site.leaves = log.leaves[: newest + 1]
    desk.enroll(site, plan=leaf.canonical(PLAN).decode(), binding=leaf.canonical(BINDING).decode(), epoch=epoch)
    desk.deliver(site.bundle(0, len(site.leaves)))
    verdicts = Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    return [verdict.admitted for verdict in verdicts]


@pytest.fixture(name="base")
def office(tmp_path: Path) -> tuple[str, str]:
    """Ten minutes under the first key, ten under the second, which logs the last two of the first again."""
    desk = Desk(tmp_path)
    first, second = PaperSite([]), PaperSite([], epoch=2, seed=2)
    log = SiteLog(plan=PLAN, binding=BINDING, key=first.key.vkey)
    log.run(T0, T0 + 10 * MINUTE + 10_000)
    assert deliver(desk, log, first) == [True] * 10
    again = SiteLog(plan=PLAN, binding=BINDING, key=second.key.vkey, epoch=2, start=T0 + 8 * MINUTE)
    again.run(T0 + 8 * MINUTE, T0 + 20 * MINUTE + 10_000)
    assert deliver(desk, again, second, epoch=2) == [False, False] + [True] * 10, (
        "what the first key brought is not brought again"
    )
    desk.database.close()
    return ("--dir", str(tmp_path / "office"))


def written(plan: MonitoringPlan) -> str:
    """The plan as somebody writes it: numbers and dates are no texts (JSON is YAML too)."""
    return re.sub(r'"(value|min_coverage|date)":"([0-9.-]+)"', r'"\1": \2', leaf.canonical(plan).decode())


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


Audited = Callable[..., tuple[int, Any]]


@pytest.fixture(name="audited")
def auditor(capsys: pytest.CaptureFixture[str]) -> Audited:
    def judged(*arguments: object) -> tuple[int, Any]:
        capsys.readouterr()
        code = verify([*map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else err

    return judged


def codes(said: Any) -> list[str]:
    return [one["code"] for one in said["findings"]]


def test_a_report_over_two_keys_is_computed_again(base: tuple[str, str], tmp_path: Path, audited: Audited) -> None:
    out, report = tmp_path / "export", tmp_path / "r.json"
    assert run("export", "demo-factory", "--out", out, *base) == 0
    assert sorted(path.name for path in out.iterdir()) == ["k1", "k2"]
    assert run("report", "--project", "pv", *DAY, "--out", report, *base) == 0
    found = json.loads(report.read_text("utf-8"))["crediting"]
    assert Fraction(found["segments"][0]["monitored"][0]["corrected"]) == Fraction(12, 1000), "20 minutes at 36 kW"
    code, said = audited(out, "--report", report)
    assert (code, said["findings"], said["clean"]) == (0, [], True)
    assert [log["origin"][-2:] for log in said["logs"]] == ["k1", "k2"]
    assert audited(out / "k1", out / "k2", "--report", report)[0] == 0, "or folder by folder"


def test_one_log_of_two_is_not_enough(base: tuple[str, str], tmp_path: Path, audited: Audited) -> None:
    out, report = tmp_path / "export", tmp_path / "r.json"
    assert run("export", "demo-factory", "--out", out, *base) == 0
    assert run("report", "--project", "pv", *DAY, "--out", report, *base) == 0
    code, said = audited(out / "k2", "--report", report)
    assert (code, codes(said)) == (1, ["verify.report_other_logs"])
    said = json.loads(report.read_text("utf-8"))
    said["crediting"]["segments"][0]["monitored"][0]["corrected"] = "14/1000"
    report.write_text(json.dumps(said))
    code, found = audited(out, "--report", report)
    assert (code, codes(found)) == (1, ["verify.report_differs"]), "the two minutes of both keys count once"


def test_keys_journals_and_copies_of_several_logs(base: tuple[str, str], tmp_path: Path, audited: Audited) -> None:
    out, keys = tmp_path / "export", [PaperSite([]).key.vkey, PaperSite([], epoch=2, seed=2).key.vkey]
    assert run("export", "demo-factory", "--out", out, *base) == 0
    code, said = audited(out, "--key", keys[0], "--key", keys[1])
    assert (code, [log["keys_from_manifest"] for log in said["logs"]]) == (0, [["cosigner"], ["cosigner"]])
    code, said = audited(out, "--key", PaperSite([], epoch=3).key.vkey)
    assert (code, "k3" in said) == (2, True)
    code, said = audited(out, out / "k1" / ".." / "k1")
    assert (code, codes(said)) == (1, ["verify.log_twice"])
    lines = (out / "k1" / "journal").read_bytes().replace(b'"by":"test"', b'"by":"nobody"', 1)
    (out / "k1" / "journal").write_bytes(lines)
    code, said = audited(out)
    assert (code, "verify.journals_differ" in codes(said)) == (1, True)
    assert run("export", "demo-factory", "--out", out, *base) == 3, "two exports never mix"
    assert run("export", "demo-factory", "--epoch", 2, "--out", tmp_path / "one", *base) == 0
    assert (tmp_path / "one" / "manifest.json").exists()


def test_reports_of_two_sites_are_judged_together(base: tuple[str, str], tmp_path: Path, audited: Audited) -> None:
    """Each by the logs and the journal of its own site, although both have a project of the same name."""
    plan, binding = (msgspec.structs.replace(one, site="other") for one in (PLAN, BINDING))
    desk, site = Desk(tmp_path), PaperSite([], site="other", seed=9)
    log = SiteLog(plan=plan, binding=binding, key=site.key.vkey, site="other")
    log.run(T0, T0 + 5 * MINUTE + 10_000)
    newest = max(i for i, data in enumerate(log.leaves) if b'"k":"summary"' in data)
    site.leaves = log.leaves[: newest + 1]
    desk.enroll(site, plan=leaf.canonical(plan).decode(), binding=leaf.canonical(binding).decode())
    desk.deliver(site.bundle(0, len(site.leaves)), "other")
    assert all(verdict.admitted for verdict in Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now))
    desk.database.close()
    reports = []
    for name in ("demo-factory", "other"):
        assert run("export", name, "--out", tmp_path / "both" / name, *base) == 0
        reports.append(tmp_path / f"{name}.json")
        assert run("report", "--project", "pv", "--site", name, *DAY, "--out", reports[-1], *base) == 0
    asked = [part for report in reports for part in ("--report", report)]
    code, said = audited(tmp_path / "both", *asked)
    assert (code, said["findings"], len(said["logs"])) == (0, [], 3)
    code, said = audited(tmp_path / "both" / "other", *asked)
    assert (code, codes(said)) == (1, ["verify.report_other_logs"])


def test_plan_and_binding_from_the_project_itself(base: tuple[str, str], tmp_path: Path, audited: Audited) -> None:
    out, plan, binding = tmp_path / "export", tmp_path / "plan.yaml", tmp_path / "binding.json"
    assert run("export", "demo-factory", "--out", out, *base) == 0
    plan.write_text(written(PLAN))
    binding.write_bytes(leaf.canonical(BINDING))
    assert audited(out, "--plan", plan, "--binding", binding)[0] == 0
    plan.write_text(written(demo_plan(min_coverage=Decimal("0.5"))))
    code, said = audited(out, "--plan", plan)
    assert code == 1
    assert codes(said) == ["verify.paper_not_approved", "verify.paper_not_brought", "verify.paper_not_brought"]
    binding.write_bytes(leaf.canonical(demo_binding(serial="18")))
    assert "verify.paper_not_approved" in codes(audited(out, "--binding", binding)[1])
    binding.write_text("[]")
    code, err = audited(out, "--binding", binding)
    assert (code, "binding-out" in err) == (2, True)
    plan.write_text("site: x")
    assert audited(out, "--plan", plan)[0] == 2


def test_the_verdict_on_papers_is_said(
    base: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plan = tmp_path / "export", tmp_path / "plan.yaml"
    assert run("export", "demo-factory", "--out", out, *base) == 0
    plan.write_text(written(PLAN))
    assert verify([str(out), "--plan", str(plan)]) == 0
    said = capsys.readouterr().out
    assert f"{plan}: this plan is one that the office approved" in said
    assert "give those as --binding" in said, "what was not brought is still only the office's word"
    plan.write_text(written(PLAN).replace('"value": 40', '"value": 41'))
    assert verify([str(out), "--plan", str(plan)]) == 1
    assert "this plan is NOT one that the office approved" in capsys.readouterr().out


# -- a hold --------------------------------------------------------------------------------------------------------


def held(desk: Desk, site: PaperSite) -> None:
    """Twenty minutes in which the export of the solar meter leaps by 50,000 kWh after the tenth."""
    log = SiteLog(plan=PLAN, binding=BINDING, key=site.key.vkey)
    for ts in range(T0, T0 + 20 * MINUTE + 10_000, 10_000):
        energy = 100 + 36 * (ts - T0) / 3_600_000
        log.read("chiller-1", ts, kwh=energy)
        log.read("pv-main", ts, export=energy + (50_000 if ts > T0 + 10 * MINUTE else 0))
        log.close()
    assert deliver(desk, log, site) == [True] * 20


def decision(kind: str, before: str, after: str) -> str:
    return f"""
- kind: hold
  site: demo-factory
  who: Nguyen Van A
  point: PV-AC
  meter: pv-main
  decision: {kind}
  before: {{at: "2026-03-02T00:10:00Z", registers: {{active_energy_export: {before}, active_energy_import: 0}}}}
  after: {{at: "2026-03-02T00:10:10Z", registers: {{active_energy_export: {after}, active_energy_import: 0}}}}
  reason: the display shows the same leap, the maker says its memory was faulty
  document: {SHA}
"""


@pytest.mark.parametrize(
    ("said", "credited", "kinds", "finding"),
    [
        (None, "-0.0007", ["held", "held"], None),
        (("lost", "106.000", "50106.102"), "0.0118", ["decided", "decided", "lost", "lost"], None),
        (("energy", "106.000", "50106.102"), "-0.0007", ["held", "held"], "credit.hold_impossible"),
        (("lost", "106.000", "50106.000"), "-0.0007", ["held", "held"], "credit.hold_differs"),
    ],
)
def test_a_hold_from_the_wire_to_the_auditor(
    said: tuple[str, str, str] | None,
    credited: str,
    kinds: list[str],
    finding: str | None,
    tmp_path: Path,
    audited: Audited,
) -> None:
    desk, site = Desk(tmp_path), PaperSite([])
    held(desk, site)
    desk.database.close()
    base = ("--dir", str(tmp_path / "office"))
    if said is not None:
        (tmp_path / "hold.yaml").write_text(decision(*said))
        assert run("records", "add", "demo-factory", tmp_path / "hold.yaml", *base) == 0
    report = tmp_path / "r.json"
    assert run("report", "--project", "pv", *DAY, "--out", report, *base) == 0
    assert run("export", "demo-factory", "--out", tmp_path / "export", *base) == 0
    document = json.loads(report.read_text("utf-8"))
    found = document["crediting"]
    (row,) = found["segments"][0]["monitored"]
    assert round(float(Fraction(row["corrected"])), 4) == float(credited)
    assert [line["kind"] for line in found["ledger"]] == kinds
    assert [one["code"] for one in found["findings"]] == ([finding] if finding else [])
    events = [cell["value"] for cell in document["pages"]["events"]["cells"].values()]
    assert any("active_energy_export 106.000" in str(one) and "50106.102" in str(one) for one in events), "what to copy"
    assert audited(tmp_path / "export", "--report", report)[0] == 0
    if said is not None:
        assert "Nguyen Van A" in events
