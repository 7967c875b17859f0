"""Records of the office: entered once by command or through the daemon, never altered, overdue ones said, exported."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml_of
from desk import Desk, PaperSite
from site_log import T0, SiteLog, demo_binding, demo_plan

from collector import journal, spool
from collector.admit import Admission
from collector.cli import main
from collector.config import Folder, locked
from collector.form import form
from collector.records import GRACE, RecordRequest, record, unsigned
from mrv import leaf, records
from mrv.errors import BadInput, MrvError, Unavailable
from mrv.records import KINDS, Explanation, IntegrityCheck
from verify.cli import main as verify

SITE = "demo-factory"
MADE = demo_plan(min_coverage=Decimal(0))
INVOICE = """
- kind: invoice
  site: demo-factory
  who: MRV officer
  number: HD-0093
  issuer: Power company
  points: [CH-1]
  start: 2026-02-01T00:00:00+07:00
  end: 2026-03-01T00:00:00+07:00
  value: 12345.6
  unit: kWh
  document: file:papers/invoice march.pdf
"""


class Cli:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *arguments: object, code: int = 0) -> Any:
        ended, out, err = self(*arguments, "--json")
        assert (ended, err) == (code, "")
        return json.loads(out)


@pytest.fixture(name="cli")
def command_line(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


@pytest.fixture(name="office")
def judged_office(tmp_path: Path) -> Path:
    """One site with an approved plan and an admitted minute, and a file with an invoice and its paper."""
    desk = Desk(tmp_path)
    site = PaperSite([])
    log = SiteLog(plan=MADE, key=site.key.vkey)
    log.run(T0, T0 + 70_000)
    newest = max(i for i, data in enumerate(log.leaves) if b'"k":"summary"' in data)
    site.leaves = log.leaves[: newest + 1]
    plan, binding = (leaf.canonical(value).decode() for value in (MADE, demo_binding()))
    desk.enroll(site, plan=plan, binding=binding)
    desk.deliver(site.bundle(0, len(site.leaves)))
    (verdict,) = Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    assert verdict.admitted
    desk.database.close()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "invoice march.pdf").write_bytes(b"%PDF an invoice")
    (tmp_path / "invoice.yaml").write_text(INVOICE)
    return desk.folder.path


def test_a_record_with_its_paper_from_file_to_list(cli: Cli, office: Path, tmp_path: Path) -> None:
    (digest,) = cli.json("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)["records"]
    paper = leaf.digest(b"%PDF an invoice")
    assert (office / "documents" / paper).read_bytes() == b"%PDF an invoice"
    listed = cli.json("records", "list", SITE, "--dir", office)
    (one,) = listed["records"]
    assert (one["digest"], one["holds"], one["record"]["document"]) == (digest, True, paper)
    assert one["by"]
    shown = cli.json("records", "show", SITE, digest[:8], "--dir", office)
    assert shown["papers"] == {paper: str(office / "documents" / paper)}
    code, out, _ = cli("records", "list", SITE, "--dir", office)
    assert (code, "HD-0093 2026-02-01T00:00:00+07:00 12345.6 kWh" in out) == (0, True)
    assert "CH-1" in cli("records", "show", SITE, digest, "--dir", office)[1]


def test_the_same_twice_is_refused_and_changes_nothing(cli: Cli, office: Path, tmp_path: Path) -> None:
    cli.json("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)
    before = cli.json("records", "list", SITE, "--dir", office)["head"]
    code, _, err = cli("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)
    assert (code, "recorded already" in err) == (2, True)
    assert cli.json("records", "list", SITE, "--dir", office)["head"] == before


def test_all_of_a_file_or_nothing(cli: Cli, office: Path, tmp_path: Path) -> None:
    twice = tmp_path / "twice.yaml"
    twice.write_text(INVOICE + INVOICE.replace("HD-0093", "HD-0094") + INVOICE)
    assert cli("records", "add", SITE, twice, "--dir", office)[0] == 2
    assert cli.json("records", "list", SITE, "--dir", office)["records"] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[CH-1]", "[CH-9]", "no approved plan of this site has a point CH-9"),
        ("site: demo-factory", "site: other", "not demo-factory"),
        ("end: 2026-03-01", "end: 2026-01-01", "invoice.yaml:"),
        ("march.pdf", "april.pdf", "april.pdf"),
    ],
)
def test_slips_of_the_pen(cli: Cli, office: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "invoice.yaml").write_text(INVOICE.replace(old, new))
    code, _, err = cli("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)
    assert (code, said in err) == (2, True), err
    assert cli.json("records", "list", SITE, "--dir", office)["records"] == []


def test_a_correction_stands_and_the_mistake_stays(cli: Cli, office: Path, tmp_path: Path) -> None:
    (wrong,) = cli.json("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)["records"]
    right = INVOICE.replace("12345.6", "12435.6") + f"  corrects: {wrong}\n  why: digits swapped\n"
    (tmp_path / "right.yaml").write_text(right)
    cli.json("records", "add", SITE, tmp_path / "right.yaml", "--dir", office)
    (one,) = cli.json("records", "list", SITE, "--dir", office)["records"]
    assert one["record"]["value"] == "12435.6"
    both = cli.json("records", "list", SITE, "--all", "--dir", office)["records"]
    assert [each["holds"] for each in both] == [False, True]


def test_unknown_sites_records_and_files(cli: Cli, office: Path, tmp_path: Path) -> None:
    for command in (
        ["list", "nobody"],
        ["add", "nobody", tmp_path / "invoice.yaml"],
        ["show", SITE, "ffff"],
        ["add", SITE, tmp_path / "nowhere.yaml"],
        ["integrity-check", "nobody", "--month", "2026-03", "--who", "A", "--sound"],
    ):
        code, _, err = cli("records", *command, "--dir", office)
        assert (code, bool(err)) == (2, True), command


# -- the journal cannot be altered ---------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE journal SET what = 'x'", "DELETE FROM journal"])
def test_the_database_itself_refuses(office: Path, tmp_path: Path, statement: str) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(MrvError):
        desk.database.write(lambda connection: connection.exec_driver_sql(statement)).result()
    desk.database.close()


def test_every_change_of_the_registry_is_in_the_journal(office: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    held = journal.held(desk.database, SITE)
    desk.database.close()
    assert held.findings == ()
    assert [line.what for line in held.changes] == ["enrolled", "key", "approve", "approve"]
    assert {line.by for line in held.changes} == {"test"}


def test_a_clock_turned_back_writes_nothing(office: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    last = journal.held(desk.database, SITE).changes[-1].at
    said = RecordRequest(site=SITE, who="t", records=(Explanation(site=SITE, who="A", about="x", text="y"),))
    with pytest.raises(Unavailable):
        record(said, desk.registry, desk.database, last - 3_600_000)
    record(said, desk.registry, desk.database, last - 1000)
    (one,) = journal.held(desk.database, SITE).entries
    assert one.at == last, "a small step back is not a line from the past"
    desk.database.close()


# -- through the daemon --------------------------------------------------------------------------------------------


def test_a_running_daemon_enters_what_a_command_hands_over(cli: Cli, office: Path, tmp_path: Path) -> None:
    folder, desk = Folder(office), Desk(tmp_path)
    stop = threading.Event()

    def daemon() -> None:
        while not stop.wait(0.01):
            for path, request in spool.requests(folder):
                assert isinstance(request, RecordRequest)
                try:
                    spool.answer(path, record(request, desk.registry, desk.database, desk.now))
                except BadInput as error:
                    spool.answer(path, error=error)

    thread = threading.Thread(target=daemon)
    thread.start()
    try:
        with locked(folder):
            first = cli("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)
            again = cli("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)
    finally:
        stop.set()
        thread.join()
        desk.database.close()
    assert (first[0], again[0]) == (0, 2)
    assert "recorded already" in again[2]


# -- the monthly check ---------------------------------------------------------------------------------------------

APRIL_20 = int(datetime(2026, 4, 20, tzinfo=UTC).timestamp() * 1000)


def test_months_that_nobody_signed() -> None:
    first = int(datetime(2026, 1, 31, 18, 0, tzinfo=UTC).timestamp() * 1000)
    zone = "Asia/Ho_Chi_Minh"
    assert unsigned((), first, APRIL_20, zone) == ("2026-02", "2026-03"), "31 January 18:00 UTC is February there"
    assert unsigned((), first, APRIL_20, "UTC") == ("2026-01", "2026-02", "2026-03")
    ten = int((datetime(2026, 3, 31, 17, 0, tzinfo=UTC) + GRACE).timestamp() * 1000)
    assert unsigned((), first, ten - 1, zone) == ("2026-02",)
    assert unsigned((), first, ten, zone) == ("2026-02", "2026-03")


def test_an_overdue_check_is_said_until_somebody_signs(cli: Cli, office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("collector.commands.records.clock", "collector.commands.sites.clock"):
        monkeypatch.setattr(module, lambda: APRIL_20)
    (site,) = cli.json("sites", "--dir", office)
    assert [fault["params"]["months"] for fault in site["overdue"]] == ["2026-03"]
    assert "overdue: demo-factory: nobody has signed" in cli("sites", "--dir", office)[1]
    signed = ("--month", "2026-03", "--who", "Nguyen Van A", "--sound", "--dir", office)
    done = cli.json("records", "integrity-check", SITE, *signed)
    assert done["logs"][0]["origin"] == "example.org/mrv/demo-factory/k1"
    assert cli.json("sites", "--dir", office)[0]["overdue"] == []
    (held,) = cli.json("records", "list", SITE, "--kind", "integrity_check", "--dir", office)["records"]
    assert (held["record"]["who"], held["record"]["sound"]) == ("Nguyen Van A", True)


def test_a_damaged_archive_cannot_be_signed_as_sound(cli: Cli, office: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def alter(connection: Any) -> None:
        connection.exec_driver_sql("DROP TRIGGER leaves_no_update")
        connection.exec_driver_sql("UPDATE leaves SET body = x'7b7d' WHERE idx = 25")

    desk.database.write(alter).result()
    desk.database.close()
    base = ("records", "integrity-check", SITE, "--month", "2026-03", "--who", "A", "--dir", office)
    assert cli(*base, "--sound")[0] == 2
    code, out, _ = cli(*base, "--findings", "leaf 25 was altered")
    assert (code, "DAMAGED" in out) == (1, True)


# -- forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_filled_in_is_a_record(kind: str) -> None:
    """Every line of the form is a field, and what is required is not commented out."""
    (read,) = records.load(yaml_of.filled(form(KINDS[kind])), "form.yaml").value
    assert records.kind(read) == kind


def test_forms_are_printed(cli: Cli) -> None:
    code, out, _ = cli("records", "form", "exchange")
    assert (code, "    serial:" in out) == (0, True)


# -- exported and judged -------------------------------------------------------------------------------------------


@pytest.fixture(name="export")
def exported(cli: Cli, office: Path, tmp_path: Path) -> Path:
    cli.json("records", "add", SITE, tmp_path / "invoice.yaml", "--dir", office)
    signed = ("--month", "2026-03", "--who", "A", "--sound", "--dir", office)
    cli.json("records", "integrity-check", SITE, *signed)
    cli.json("export", SITE, "--dir", office, "--out", tmp_path / "export")
    return tmp_path / "export"


def audited(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, set[str]]:
    code = verify([*map(str, arguments), "--json"])
    report = json.loads(capsys.readouterr().out)
    return code, report, {found["code"] for found in report["findings"]}


def test_an_export_carries_the_journal_and_its_papers(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report, codes = audited(capsys, export)
    assert (code, codes) == (0, set())
    said = report["journal"]
    assert (said["lines"], said["records"], said["papers_named"], said["papers_kept"]) == (6, 2, 1, 1)
    assert audited(capsys, export, "--journal-head", said["head"])[0] == 0
    assert verify([str(export)]) == 0
    assert "2 records standing" in capsys.readouterr().out


def test_an_earlier_head_finds_a_rewritten_journal(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "verify.journal_rewritten" in audited(capsys, export, "--journal-head", "ab" * 32)[2]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("altered", "records.chain_broken"),
        ("cut", "verify.journal_differs"),
        ("gone", "verify.no_file"),
        ("paper", "verify.paper_altered"),
        ("approval", "verify.approval_unlogged"),
    ],
)
def test_what_was_done_to_a_journal(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, code: str
) -> None:
    folder = shutil.copytree(export, tmp_path / "copy")
    held = (folder / "journal").read_bytes()
    match what:
        case "altered":
            (folder / "journal").write_bytes(held.replace(b"12345.6", b"92345.6"))
        case "cut":
            (folder / "journal").write_bytes(b"".join(held.splitlines(keepends=True)[:-1]))
        case "gone":
            (folder / "journal").unlink()
        case "paper":
            (paper,) = (folder / "documents").iterdir()
            paper.chmod(0o600)
            paper.write_bytes(b"another invoice")
        case "approval":
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest["plans"].append("ab" * 32)
            (folder / "manifest.json").write_text(json.dumps(manifest))
    ended, _, codes = audited(capsys, folder)
    assert (ended, code in codes) == (1, True), codes


def test_a_signed_check_is_a_record_like_any_other() -> None:
    check = IntegrityCheck(
        site=SITE, who="A", month="2026-03", done=datetime(2026, 4, 1, tzinfo=UTC).date(), sound=True
    )
    assert records.kind(check) == "integrity_check"
