"""From received leaves to a report and back: the commands over a real office folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from test_template import official

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "collector"))
from desk import Desk, PaperSite
from site_log import T0, SiteLog, demo_binding, demo_plan

from collector.admit import Admission
from collector.cli import main
from mrv import leaf
from mrv.log.checkpoint import Checkpoint
from mrv.log.merkle import leaf_hash
from mrv.log.proof import read as read_proof
from mrv.log.proof import verify as verify_proof
from verify.cli import main as verify

MADE = demo_plan(min_coverage=Decimal(0))
DAY = ("--from", "2026-03-02", "--to", "2026-03-02")
MINUTES = 20
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", name="office")
def received(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty admitted minutes of two meters at 36 kW, and an invoice."""
    path = tmp_path_factory.mktemp("office")
    desk, site = Desk(path), PaperSite([])
    log = SiteLog(plan=MADE, key=site.key.vkey)
    log.run(T0, T0 + MINUTES * 60_000 + 10_000)
    newest = max(i for i, data in enumerate(log.leaves) if b'"k":"summary"' in data)
    site.leaves = log.leaves[: newest + 1]
    plan, binding = (leaf.canonical(value).decode() for value in (MADE, demo_binding()))
    desk.enroll(site, plan=plan, binding=binding)
    desk.deliver(site.bundle(0, len(site.leaves)))
    verdicts = Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    assert [verdict.admitted for verdict in verdicts] == [True] * MINUTES
    desk.database.close()
    return desk.folder.path


@pytest.fixture(name="run")
def command_line(office: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([*map(str, arguments), "--dir", str(office)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def traced(run: Run, figure: str, *more: str) -> Any:
    code, out, err = run("trace", figure, "--project", "pv", *DAY, "--json", *more)
    assert (code, err) == (0, ""), err
    return json.loads(out)


def test_a_report_as_workbook_csv_and_json(run: Run, tmp_path: Path) -> None:
    code, out, err = run("report", "--project", "pv", *DAY, "--out", tmp_path / "r.xlsx")
    assert (code, err) == (0, ""), err
    assert "2026: 0 tCO2e" in out
    assert "NOT FOR SUBMISSION" in out
    book = openpyxl.load_workbook(tmp_path / "r.xlsx", data_only=True)
    (row,) = [r for r in book["input"].iter_rows(values_only=True) if r[2] == "EG[roof]"]
    assert row[4] == pytest.approx(0.012), "20 minutes at 36 kW are 12 kWh"
    code, out, _ = run("report", "--project", "pv", *DAY, "--out", tmp_path / "r.json", "--json")
    assert (code, json.loads(out)["tonnes"]) == (0, 0)
    found = json.loads((tmp_path / "r.json").read_text("utf-8"))["crediting"]
    assert Fraction(found["segments"][0]["monitored"][0]["corrected"]) == Fraction(12, 1000)
    assert run("report", "--project", "chiller", *DAY, "--out", tmp_path / "csv")[0] == 0
    assert (tmp_path / "csv" / "input.csv").exists()


def test_the_same_report_twice_is_the_same_file(run: Run, tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        assert run("report", "--project", "pv", *DAY, "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_every_figure_can_be_traced(run: Run) -> None:
    code, out, _ = run("trace", "--project", "pv", *DAY, "--json")
    listed = json.loads(out)
    assert code == 0
    assert {one["figure"].partition("!")[0] for one in listed} >= {
        "input",
        "ex-ante",
        "calculation",
        "summary",
        "sampling",
    }
    for one in listed:
        found = traced(run, one["figure"])
        assert (found["figure"], found["value"]) == (one["figure"], one["value"])


def test_a_register_is_traced_to_the_words_on_the_wire(run: Run, office: Path) -> None:
    (term,) = [
        f for f in listed(run) if f["figure"].startswith("input!E") and f["formula"] and f["formula"].startswith("L")
    ][:1]
    found = traced(run, term["figure"], "--all")
    assert (found["kind"], found["source"].endswith("active_energy_export"), found["unit"]) == ("term", True, "kWh")
    assert (found["usages"], len(found["told"])) == (MINUTES, MINUTES)
    assert found["usages_sum"] == found["raw"] == "12"
    assert sum(Decimal(one["used"]) for one in found["told"]) == Decimal("12.000")
    for before, after in zip(found["told"], found["told"][1:], strict=False):
        assert before["closed_by"] == after["opened_by"], "readings telescope"
    for one in found["told"]:
        for end in ("opened_by", "closed_by"):
            reading = one[end]
            assert reading["equal"]
            assert reading["decoded"]["2.8.0"] == one["opening" if end == "opened_by" else "closing"]
            assert reading["words"]["i:72"][8:16] == _float_words(reading["decoded"]["2.8.0"])
    desk = Desk(office.parent)
    leaves = list(desk.archive.leaves("example.org/mrv/demo-factory/k1"))
    desk.database.close()
    told = found["told"][0]
    assert leaf.digest(leaves[told["index"]]) == told["digest"]
    assert leaf.digest(leaves[told["opened_by"]["index"]]) == told["opened_by"]["digest"]


def _float_words(spelled: str) -> str:
    import struct

    return struct.pack(">f", float(spelled)).hex()


def listed(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("trace", "--project", "pv", *DAY, "--json")[1])
    return found


def test_a_trace_in_words(run: Run) -> None:
    parameter = next(f["figure"] for f in listed(run) if f["figure"].startswith("input!E"))
    code, out, _ = run("trace", parameter, "--project", "pv", *DAY)
    assert (code, "kind: parameter" in out, "input!E" in out) == (0, True, True)
    code, out, _ = run("trace", "--project", "pv", *DAY)
    assert (code, parameter in out) == (0, True)


def test_the_sample_is_drawn_by_nobody_and_proven(run: Run, tmp_path: Path, office: Path) -> None:
    for name in ("a.json", "b.json"):
        assert run("report", "--project", "pv", *DAY, "--out", tmp_path / name, "--samples", "5")[0] == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    cells = json.loads((tmp_path / "a.json").read_text("utf-8"))["pages"]["sampling"]["cells"]
    proofs = [cell["value"] for cell in cells.values() if str(cell["value"]).startswith("c2sp.org/tlog-proof")]
    assert len(proofs) == 5
    desk = Desk(office.parent)
    held = list(desk.archive.leaves("example.org/mrv/demo-factory/k1"))
    site = PaperSite(held)
    desk.database.close()
    for text in proofs:
        proof = read_proof(text)
        assert b'"m":"pv-main"' in held[proof.index], "only meters of the project"
        found = verify_proof(text, held[proof.index], site.key.public)
        assert isinstance(found, Checkpoint)
        assert leaf_hash(held[proof.index]).hex() in {str(cell["value"]) for cell in cells.values()}


def test_an_official_workbook_is_filled(run: Run, tmp_path: Path) -> None:
    template = official(tmp_path / "official.xlsx", ("EGi,p", "MWh/p"))
    code, out, err = run("report", "--project", "pv", *DAY, "--template", template, "--out", tmp_path / "filled.xlsx")
    assert (code, err) == (0, ""), err
    assert "1 cells of official.xlsx" in out
    assert openpyxl.load_workbook(tmp_path / "filled.xlsx")["MRS(input)"]["F8"].value == pytest.approx(0.012)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("- {sheet: MRS(input), cell: F8, figure: 'input!E7'}\n")
    more = ("--template", template, "--mapping", mapping, "--out", tmp_path / "mapped.xlsx")
    assert run("report", "--project", "pv", *DAY, *more)[0] == 0
    assert openpyxl.load_workbook(tmp_path / "mapped.xlsx")["MRS(input)"]["F8"].value == pytest.approx(0.012)


def test_a_public_copy(run: Run, tmp_path: Path) -> None:
    more = ("--public", "--confidential", "input!E", "--out", tmp_path / "public.json")
    assert run("report", "--project", "pv", *DAY, *more)[0] == 0
    found = json.loads((tmp_path / "public.json").read_text("utf-8"))
    assert found["crediting"] is None
    assert found["pages"]["input"]["cells"]["E7"]["value"] == "XXX"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "--project", "nobody", *DAY, "--out", "r.xlsx"), "known projects: chiller, pv"),
        (
            ("report", "--project", "pv", "--from", "2026-03-02", "--to", "2026-03-01", "--out", "r.xlsx"),
            "before it begins",
        ),
        (("report", "--project", "pv", *DAY, "--out", "r.docx"), ".docx"),
        (("report", "--project", "pv", *DAY, "--out", "r.xlsx", "--labels", "en,fr"), "no labels"),
        (("report", "--project", "pv", *DAY, "--out", "r.xlsx", "--confidential", "input!E"), "names no column"),
        (("trace", "input!ZZ9", "--project", "pv", *DAY), "no figure"),
        (("trace", "input!A1", "--project", "pv", *DAY), "no figure"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert (code, said in err) == (2, True), err


def test_without_the_extra_its_name_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "collector.report.workbook", raising=False)
    monkeypatch.delattr("collector.report.workbook", raising=False)
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    code, _, err = run("report", "--project", "pv", *DAY, "--out", tmp_path / "r.xlsx")
    assert (code, "mrv-agent[collector]" in err) == (4, True)
    assert run("report", "--project", "pv", *DAY, "--out", tmp_path / "r.json")[0] == 0, "only workbooks need it"


# -- judged by the auditor -----------------------------------------------------------------------------------------


@pytest.fixture(name="export")
def exported(run: Run, tmp_path: Path) -> Path:
    assert run("export", "demo-factory", "--out", tmp_path / "export")[0] == 0
    assert run("report", "--project", "pv", *DAY, "--out", tmp_path / "r.json")[0] == 0
    return tmp_path / "export"


def audited(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, str]]:
    code = verify([*map(str, arguments), "--json"])
    return code, {f["code"]: f["what"] for f in json.loads(capsys.readouterr().out)["findings"]}


def test_the_auditor_computes_the_report_again(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = export.parent / "r.json"
    assert audited(capsys, export, "--report", report) == (0, {})
    assert verify([str(export), "--report", str(report)]) == 0
    assert "every figure computed again and equal" in capsys.readouterr().out


def test_a_report_that_says_more_than_the_leaves_give(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = export.parent / "r.json"
    said = json.loads(path.read_text("utf-8"))
    said["crediting"]["vintages"][0]["tonnes"] = 12
    path.write_text(json.dumps(said))
    code, found = audited(capsys, export, "--report", path)
    assert (code, list(found)) == (1, ["verify.report_differs"])
    assert "vintages[0].tonnes: the report says 12, computed again it is 0" in found["verify.report_differs"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda said: said["basis"].update(journal="ab" * 32), "verify.journal_rewritten"),
        (lambda said: said["basis"]["logs"][0].update(size=7), "verify.report_other_size"),
        (lambda said: said["basis"]["logs"].append({"origin": "x", "size": 1, "root": ""}), "verify.report_other_logs"),
        (lambda said: said["crediting"].update(project="nobody"), "credit.nothing_in_window"),
        (lambda said: said["crediting"].pop("start"), "verify.report_malformed"),
    ],
)
def test_a_report_of_something_else(
    export: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Any], None], code: str
) -> None:
    path = export.parent / "r.json"
    said = json.loads(path.read_text("utf-8"))
    change(said)
    path.write_text(json.dumps(said))
    ended, found = audited(capsys, export, "--report", path)
    assert (ended, code in found) == (1, True), found


def test_a_public_copy_cannot_be_computed_again(run: Run, export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "--project", "pv", *DAY, "--public", "--out", export.parent / "public.json")[0] == 0
    assert verify([str(export), "--report", str(export.parent / "public.json")]) == 2
    assert "public copy" in capsys.readouterr().err
    (export.parent / "no.json").write_text("[]")
    assert verify([str(export), "--report", str(export.parent / "no.json")]) == 2


def test_a_comparison_with_the_approved_text_is_repeated_to_the_auditor(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a copy of the office: a person compared the methodology; the report is equal, and says less against filing."""
    shutil.copytree(office, tmp_path / "office")
    base, pdf = ("--dir", str(tmp_path / "office")), tmp_path / "approved.pdf"
    pdf.write_bytes(b"%PDF-1.7 the approved text")
    places = [part for name in ("RE_p", "PE_p", "ER_p") for part in ("--at", f"{name}=p. 5")]
    named = ("VN_AM007_ver01.0", "--pdf", str(pdf), "--person", "Nguyen Van A")
    assert main(["methodologies", "verify", *named, *places, *base]) == 0
    assert main(["export", "demo-factory", "--out", str(tmp_path / "export"), *base]) == 0
    assert main(["report", "--project", "pv", *DAY, "--out", str(tmp_path / "r.json"), *base]) == 0
    assert "compared the methodology" not in capsys.readouterr().out
    assert verify([str(tmp_path / "export"), "--report", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().out
    assert "Nguyen Van A compared VN_AM007_ver01.0" in said
    assert "(in the folder, unaltered): it is the one that was computed with" in said
    (paper,) = (tmp_path / "export" / "documents").iterdir()
    assert paper.read_bytes() == pdf.read_bytes()


def test_who_drops_the_comparison_from_the_journal_is_found(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or brings a report that says `verified` where the journal does not: it computes as provisional."""
    shutil.copytree(office, tmp_path / "office")
    base, pdf = ("--dir", str(tmp_path / "office")), tmp_path / "approved.pdf"
    pdf.write_bytes(b"%PDF-1.7 the approved text")
    assert main(["report", "--project", "pv", *DAY, "--out", str(tmp_path / "before.json"), *base]) == 0
    assert main(["export", "demo-factory", "--out", str(tmp_path / "export"), *base]) == 0
    places = [part for name in ("RE_p", "PE_p", "ER_p") for part in ("--at", f"{name}=p. 5")]
    named = ("VN_AM007_ver01.0", "--pdf", str(pdf), "--person", "Nguyen Van A")
    assert main(["methodologies", "verify", *named, *places, *base]) == 0
    assert main(["report", "--project", "pv", *DAY, "--out", str(tmp_path / "r.json"), *base]) == 0
    capsys.readouterr()
    code, found = audited(capsys, tmp_path / "export", "--report", tmp_path / "r.json")
    assert (code, list(found)) == (1, ["verify.journal_rewritten"])
    said = json.loads((tmp_path / "r.json").read_text("utf-8"))
    said["basis"]["journal"] = json.loads((tmp_path / "before.json").read_text("utf-8"))["basis"]["journal"]
    (tmp_path / "r.json").write_text(json.dumps(said))
    code, found = audited(capsys, tmp_path / "export", "--report", tmp_path / "r.json")
    assert (code, list(found)) == (1, ["verify.report_differs"])
    assert "not_for_submission" in found["verify.report_differs"]
