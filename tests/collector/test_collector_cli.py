"""The commands: exit codes, JSON, help with examples, and an archive that was tampered with."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, PaperSite, filler
from site_log import ROOT, T0, SiteLog, demo_binding, demo_plan

from collector.admit import Admission
from collector.cli import main, parser
from collector.config import Folder, locked
from mrv import leaf
from verify.cli import main as verify

MADE = demo_plan(min_coverage=Decimal(0))


@pytest.fixture(name="office")
def with_two_minutes(tmp_path: Path) -> Path:
    """A collector folder with one site, two admitted summaries and a receipt for them."""
    desk = Desk(tmp_path)
    site = PaperSite([])
    log = SiteLog(plan=MADE, key=site.key.vkey)
    log.run(T0, T0 + 130_000)
    newest = max(i for i, data in enumerate(log.leaves) if b'"k":"summary"' in data)
    site.leaves = log.leaves[: newest + 1]
    desk.enroll(site)
    desk.deliver(site.bundle(0, 20))
    desk.deliver(site.bundle(20, len(site.leaves)))
    desk.database.close()
    (tmp_path / "binding.json").write_bytes(leaf.canonical(demo_binding()))
    return desk.folder.path


class Cli:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *arguments: object) -> Any:
        code, out, err = self(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)


@pytest.fixture(name="cli")
def command_line(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


COMMANDS = (
    "init",
    "run",
    "enroll",
    "sites",
    "summaries",
    "records",
    "methodologies",
    "report",
    "trace",
    "export",
    "verify",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"mrv-collector {command}" in capsys.readouterr().out.partition("example")[2]


def test_the_exit_codes_are_in_the_help() -> None:
    assert all(f"\n  {code}  " in parser().format_help() for code in range(5))


def test_init_makes_a_folder_once(cli: Cli, tmp_path: Path) -> None:
    made = cli.json("init", "--dir", tmp_path / "c", "--org", "example.vn")
    assert made["cosigner"].startswith("example.vn/mrv/collector+")
    assert (tmp_path / "c" / "key").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "c" / "cosigner.vkey").read_text().strip() == made["cosigner"]
    code, _, err = cli("init", "--dir", tmp_path / "c", "--org", "example.vn")
    assert (code, "has a cosigning key already" in err) == (3, True)
    assert cli("init", "--dir", tmp_path / "d", "--org", "Not a Name")[0] == 2


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o440])
def test_a_key_with_a_looser_mode_is_refused(cli: Cli, office: Path, mode: int) -> None:
    (office / "key").chmod(mode)
    code, _, err = cli("sites", "--dir", office)
    assert (code, "chmod 0400" in err) == (3, True)


@pytest.mark.parametrize("damage", ["gibberish", "00" * 32, "ab"])
def test_a_key_that_is_not_ours_is_refused(cli: Cli, office: Path, damage: str) -> None:
    (office / "key").chmod(0o600)
    (office / "key").write_text(damage)
    (office / "key").chmod(0o400)
    assert cli("sites", "--dir", office)[0] == 3


def test_a_folder_that_is_none(cli: Cli, tmp_path: Path) -> None:
    for command in (["sites"], ["run"], ["enroll", "x"], ["verify", "--all"]):
        code, _, err = cli(*command, "--dir", tmp_path / "nowhere")
        assert (code, "mrv-collector init" in err) == (3, True)


def test_sites_and_summaries_before_and_after_approval(cli: Cli, office: Path, tmp_path: Path) -> None:
    (site,) = cli.json("sites", "--dir", office)
    assert (site["site"], site["epoch"], site["forked"], site["alarms"]) == ("demo-factory", 1, False, [])
    assert site["size"] > 20
    assert cli.json("summaries", "--dir", office) == [], "nobody judged yet: the daemon was not running"
    approved = cli.json("enroll", "demo-factory", "--dir", office, "--binding", tmp_path / "binding.json")
    assert approved["steps"] == ["approve_binding"]


def test_enroll_reads_the_plan_a_person_wrote(cli: Cli, office: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text((ROOT / "config" / "plan.yaml").read_text())
    assert cli.json("enroll", "demo-factory", "--dir", office, "--plan", plan)["steps"] == ["approve_plan"]
    assert cli.json("enroll", "demo-factory", "--dir", office, "--plan", plan)["steps"] == []
    plan.write_text(plan.read_text().replace("period:", "perriod:"))
    code, _, err = cli("enroll", "demo-factory", "--dir", office, "--plan", plan)
    assert (code, "plan.yaml:" in err) == (2, True)


def test_enroll_says_what_it_did_and_what_is_still_missing(cli: Cli, office: Path, tmp_path: Path) -> None:
    other = PaperSite([], site="other", seed=7)
    words = ("enroll", "other", "--dir", office, "--key", other.key.vkey)
    code, said, _ = cli(*words)
    assert code == 0
    assert "its key may sign" in said
    assert said.count("waits in quarantine") == 2, "neither plan nor binding is approved"
    assert "--binding FILE" in said
    assert "nothing to change" in cli(*words)[1]
    said = cli("enroll", "demo-factory", "--dir", office, "--binding", tmp_path / "binding.json")[1]
    assert "the binding (which meter stands where) is approved" in said
    assert said.count("waits in quarantine") == 1, "its plan is not approved"


def test_a_private_key_is_refused_and_not_repeated(cli: Cli, office: Path, tmp_path: Path) -> None:
    """An office that was sent the wrong file must say so, and not print the secret into a ticket."""
    (tmp_path / "key").write_text("5e" * 32 + "\n")
    code, said, err = cli("enroll", "other", "--dir", office, "--key", f"@{tmp_path / 'key'}")
    assert code == 2
    assert "private half" in err
    assert "next epoch" in err
    assert "5e5e" not in said + err


def test_a_file_an_editor_saved_in_another_encoding(cli: Cli, office: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_bytes((ROOT / "config" / "plan.yaml").read_text().encode("utf-16"))
    code, _, err = cli("enroll", "demo-factory", "--dir", office, "--plan", plan)
    assert (code, "save it as UTF-8" in err) == (2, True)


def test_a_user_without_a_name_may_enroll(cli: Cli, office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    other = PaperSite([], site="other", seed=7)
    assert cli.json("enroll", "other", "--dir", office, "--key", other.key.vkey)["steps"] == ["enrolled", "key"]


def test_enroll_reads_the_key_from_a_file(cli: Cli, office: Path, tmp_path: Path) -> None:
    other = PaperSite([], site="other", seed=7)
    (tmp_path / "other.vkey").write_text(other.key.vkey + "\n")
    steps = cli.json("enroll", "other", "--dir", office, "--key", f"@{tmp_path / 'other.vkey'}")["steps"]
    assert steps == ["enrolled", "key"]
    assert cli("enroll", "third", "--dir", office, "--key", "@nowhere")[0] == 2


def test_enroll_beside_a_daemon_that_does_not_answer(cli: Cli, office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.spool.PATIENCE_S", 0.2)
    with locked(Folder(office)):
        code, _, err = cli("enroll", "other", "--dir", office, "--key", PaperSite([], site="other", seed=7).key.vkey)
    assert (code, "did not answer" in err) == (4, True)
    assert list((office / "spool").iterdir()) == [], "a request given up is taken back"


def test_summaries_say_what_the_site_says(cli: Cli, office: Path, tmp_path: Path) -> None:
    judge(tmp_path)
    first, second = cli.json("summaries", "--dir", office, "--site", "demo-factory")
    assert (first["from"], first["to"], second["seq"]) == (T0, T0 + 60_000, 1)
    assert (first["verdict"], first["expected"], first["read"], first["clock"]) == ("quarantined", 12, 12, "S")
    assert {reason["code"] for reason in first["reasons"]} == {
        "audit.plan_not_approved",
        "audit.binding_not_approved",
    }
    assert first["projects"][0]["reduction"] == "0.180000"
    assert [usage["meter"] for usage in second["usages"]] == ["chiller-1", "pv-main"]
    assert second["usages"][0]["registers"]["1.8.0"]["used"] == "0.600"
    code, _, err = cli("summaries", "--dir", office, "--site", "nobody")
    assert (code, "demo-factory" in err) == (2, True)


def judge(tmp_path: Path, *, approve: bool = False) -> None:
    """What the running daemon does after a receipt."""
    desk = Desk(tmp_path)
    site = PaperSite([])
    if approve:
        desk.enroll(
            site,
            key=None,
            plan=leaf.canonical(MADE).decode(),
            binding=leaf.canonical(demo_binding()).decode(),
        )
    Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    desk.database.close()


def test_an_export_is_what_mrv_verify_checks(
    cli: Cli, office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(tmp_path, approve=True)
    made = cli.json("export", "demo-factory", "--dir", office, "--out", tmp_path / "out")
    assert made["origin"] == "example.org/mrv/demo-factory/k1"
    keys = cli.json("sites", "--dir", office)[0]["key"], (office / "cosigner.vkey").read_text().strip()
    assert verify([str(tmp_path / "out"), "--key", keys[0], "--cosigner", keys[1]]) == 0
    assert "2 summaries, 2 admitted" in capsys.readouterr().out
    code, _, err = cli("export", "demo-factory", "--dir", office, "--out", tmp_path / "out")
    assert (code, "not empty" in err) == (3, True)
    assert cli("export", "nobody", "--dir", office, "--out", tmp_path / "out2")[0] == 2
    assert cli("export", "demo-factory", "--epoch", 2, "--dir", office, "--out", tmp_path / "out2")[0] == 2


def test_an_export_that_cannot_be_written(cli: Cli, office: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert cli("export", "demo-factory", "--dir", office, "--out", tmp_path / "file" / "below")[0] == 4


def test_nothing_to_export_yet(cli: Cli, office: Path, tmp_path: Path) -> None:
    cli("enroll", "other", "--dir", office, "--key", PaperSite([], site="other", seed=7).key.vkey)
    code, _, err = cli("export", "other", "--dir", office, "--out", tmp_path / "out")
    assert (code, "nothing has been received" in err) == (3, True)


def test_verify_is_clean_only_when_everything_is(cli: Cli, office: Path, tmp_path: Path) -> None:
    judge(tmp_path)
    code, out, _ = cli("verify", "demo-factory", "--dir", office)
    assert (code, "NOT clean" in out) == (1, True)
    judge(tmp_path, approve=True)
    assert cli("verify", "--all", "--dir", office)[0] == 0
    assert cli("verify", "--dir", office)[0] == 2
    assert cli("verify", "demo-factory", "--all", "--dir", office)[0] == 2


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE leaves SET body = x'7b7d' WHERE idx = 25", "audit.root_differs"),
        ("DELETE FROM leaves WHERE idx = 25", "audit.leaves_missing"),
        (
            "UPDATE checkpoints SET note = substr(note, 1, length(note) - 12) || 'AAAA' || substr(note, -8)",
            "log.signature_wrong",
        ),
    ],
)
def test_an_archive_altered_behind_our_back(cli: Cli, office: Path, tmp_path: Path, statement: str, code: str) -> None:
    judge(tmp_path, approve=True)
    desk = Desk(tmp_path)

    def alter(connection: Any) -> None:
        for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
            connection.exec_driver_sql(f"DROP TRIGGER {row.name}")
        connection.exec_driver_sql(statement)

    desk.database.write(alter).result()
    damaged = ["example.org/mrv/demo-factory/k1"] if "leaves" in statement else []
    assert list(desk.archive.damaged()) == damaged
    desk.database.close()
    ended, out, _ = cli("verify", "--all", "--dir", office, "--json")
    assert ended == 1
    assert code in {found["code"] for report in json.loads(out) for found in report["findings"]}


def test_the_language_may_be_asked_for(cli: Cli, office: Path) -> None:
    """Texts that a language lacks are English."""
    assert "demo-factory" in cli("summaries", "--site", "nobody", "--dir", office, "--lang", "vi")[2]


def test_alarms_are_shown_with_what_to_do(cli: Cli, office: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.deliver(PaperSite(filler(5)).bundle(0, 5))
    desk.database.close()
    code, out, _ = cli("sites", "--dir", office)
    assert code == 0
    assert "signed two different logs" in out
    assert "new key epoch" in out


def test_a_folder_that_cannot_be_written(cli: Cli, office: Path) -> None:
    (office / "lock").mkdir()
    code, _, err = cli("enroll", "other", "--dir", office, "--key", PaperSite([], site="other", seed=7).key.vkey)
    assert (code, "cannot be used" in err) == (4, True)
    (office / "lock").rmdir()
    with locked(Folder(office)):
        (office / "spool").rmdir()
        assert cli("enroll", "x", "--dir", office, "--key", PaperSite([], site="x", seed=7).key.vkey)[0] == 4


@pytest.mark.parametrize("endpoint", ["nowhere", "host:", ":1883", "host:0", "host:99999", "host:x"])
def test_an_endpoint_that_is_none(cli: Cli, office: Path, endpoint: str) -> None:
    code, _, err = cli("run", "--dir", office, "--broker", endpoint)
    assert (code, "HOST:PORT" in err) == (2, True)


def test_tables_on_a_terminal(cli: Cli, office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(tmp_path)
    desk = Desk(tmp_path)
    said = "UPDATE verdicts SET reasons = replace(reasons, 'audit.plan_not_approved', '[/not] [bold]markup')"
    desk.database.write(lambda connection: connection.exec_driver_sql(said)).result()
    desk.database.close()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "400")
    out = cli("summaries", "--dir", office)[1]
    assert "┃" in out
    assert "[/not] [bold]markup" in out, "what a site says is text, never markup"
