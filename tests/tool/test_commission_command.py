"""commission on a plant that plays: both proofs, site.yaml with its comments, the record, and every way to say no."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers import commission_decode, commission_gate, profiles, wiring
from drivers.cli import main
from mrv import commissioning
from mrv.measurand import MEASURANDS
from tests.tool.played import READS, Plant, played

ROOT = Path(__file__).resolve().parents[2]
PLANT = """
what: a feeder, a roof, and a meter whose words are the other way round
lines:
  - {id: lan, kind: tcp}
meters:
  - {id: feeder, line: lan, unit: 1, profile: eastron_sdm630, load: {watts: 360000}, opening: 18343.2}
  - {id: roof, line: lan, unit: 2, profile: eastron_sdm630, load: {watts: 90000}, flow: exports, opening: 4711}
  - {id: odd, line: lan, unit: 3, profile: eastron_sdm630, load: {watts: 90000}, settings: {word_order: little}}
  - {id: idle, line: lan, unit: 4, profile: eastron_sdm630, load: {watts: 0}}
"""
SITE = """# our factory
site: demo-factory
org: example
collector:
  host: broker.example.org
  cosigners:
    - example/mrv/collector+67efe43c+BGVaa3UyIqZj/Y9rrqFDdajyzfyB0+j+mh323i31oxhc   # from the office
# lines
buses: []
# meters
meters: []   # none yet
# the end
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE)
    (folder / "plan.yaml").write_text((ROOT / "config" / "plan.yaml").read_text())
    return folder


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commission_decode, "LEAST_PAUSE", 0.2)
    typing(monkeypatch, [])
    with played(PLANT, tmp_path, monkeypatch) as found:
        yield found
        assert {function for _, _, function in found.asked} <= READS, "nothing else is ever sent"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(("commission", *words))
    told = capsys.readouterr()
    return code, told.out, told.err


def typing(monkeypatch: pytest.MonkeyPatch, answers: list[str | Callable[[], str]]) -> list[str | Callable[[], str]]:
    """What a person types, in this order; a function is asked at that moment. What is left over is for the test."""

    def read() -> str:
        if not answers:
            raise EOFError
        answer = answers.pop(0)
        if answer == "^C":
            raise KeyboardInterrupt
        return answer() if callable(answer) else str(answer)

    monkeypatch.setattr("drivers.dialogue._line", read)
    return answers


def amperes(plant: Plant, name: str) -> list[str]:
    return [f"{plant.shows(name, f'current_l{n}'):.1f}" for n in (1, 2, 3)]


def records(site: Path) -> list[commissioning.Record]:
    return [commissioning.decode(path.read_bytes()) for path in sorted((site / "spool").glob("*.json"))]


def test_a_technician_commissions_a_meter(
    plant: Plant, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With slips of the pen on the way: a point that is not in the plan, a display in MWh, an ampere too many."""
    left = typing(
        monkeypatch,
        [
            "plant-room",
            "CH-9",
            "CH-1",
            "Máy lạnh 1",
            "",
            "Tran Thi B",
            "",
            "abc",
            lambda: plant.display("feeder", "active_energy_import"),
            "1000/5",
            *amperes(plant, "feeder"),
            "import",
            "",
            lambda: plant.display("feeder", "active_energy_import"),
            "",
        ],
    )
    code, said, err = run(capsys, plant.end("lan"), "--dir", str(site))
    assert left == []
    assert code == 0, said + err
    assert "ch-1 is commissioned: decoding and installation are proved" in said
    assert "the plan has no point CH-9" in err
    assert "is no name of a meter" in err
    text = (site / "site.yaml").read_text()
    assert all(comment in text for comment in ("# our factory", "# from the office", "# none yet", "# the end"))
    found = wiring.load(text, "site.yaml", profiles.library()).value
    (meter,) = found.meters
    assert (meter.id, meter.point, meter.bus, meter.unit, meter.every) == ("ch-1", "CH-1", "plant-room", 1, 15)
    assert [line.end for line in found.buses] == [plant.end("lan")]
    (record,) = records(site)
    assert (record.event, record.meter, record.who) == ("commissioned", "ch-1", "Tran Thi B")
    assert record.details["decode"] == "proved"
    assert record.details["installation"] == "proved"
    assert record.details["nameplate"] == "1000/5"
    assert record.details["register.1.8.0.second.outcome"] == "equal"
    assert record.raw["i:72"][:2] == "46", "the words of 18 thousand as a float32"
    assert commissioning.decode((site / "commissioning" / "ch-1.json").read_bytes()) == record


def scripted(plant: Plant, name: str, **more: str) -> list[str]:
    """Answers of a script; the display was read a moment before, so it has whole kWh."""
    display = more.pop("display", None) or plant.display(name, "active_energy_import", 0)
    answers = {"display.active_energy_import": display, "line": "lan", "wait": "n", "every": "15"} | more
    return [word for key, value in answers.items() for word in ("--answer", f"{key}={value}")]


def test_a_script_commissions_without_a_person(plant: Plant, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "answers.yaml").write_text('who: Tran Thi B\npoint: CH-1\nname: "x"\nmeter: chiller-1\nnameplate: 1000/5\n')
    words = scripted(plant, "feeder", candidate="1", direction="import")
    clamps = [w for n, a in enumerate(amperes(plant, "feeder"), 1) for w in ("--answer", f"clamp.L{n}={a}")]
    code, said, err = run(
        capsys, plant.end("lan"), "--dir", str(site), "--answers", str(site / "answers.yaml"), *words, *clamps, "--json"
    )
    told = json.loads(said)
    assert code == 1, "compared once only: provisional"
    assert told["written"]
    assert told["decode"] == "once"
    assert told["reasons"] == []
    assert told["provisional"]
    assert "nobody asked for `name`" in err


def test_without_a_clamp_it_is_provisional_and_says_what_is_missing(
    plant: Plant, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, _ = run(
        capsys, plant.end("lan"), "--dir", str(site), "--who", "Tran B", "--point", "CH-1", *scripted(plant, "feeder")
    )
    assert code == 1
    assert "is PROVISIONAL" in said
    assert "L2: no clamp amperes" in said
    (record,) = records(site)
    assert record.details["installation"] == "provisional"
    assert "tool.nameplate_missing" in record.details["reasons"]


def test_the_second_comparison_another_day(
    plant: Plant, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def display() -> str:
        return plant.display("feeder", "active_energy_import")

    typing(monkeypatch, ["lan", "CH-1", "", "Tran B", "", display, "", "", "", "", "", "n", ""])
    assert run(capsys, plant.end("lan"), "--dir", str(site))[0] == 1
    before = (site / "site.yaml").read_text()
    typing(
        monkeypatch,
        [
            "Le Van C",
            lambda: plant.display("feeder", "active_energy_import"),
            "1000/5",
            *amperes(plant, "feeder"),
            "import",
            "",
        ],
    )
    code, said, err = run(capsys, "--again", "ch-1", "--dir", str(site))
    assert code == 0, said + err
    assert (site / "site.yaml").read_text() == before
    assert [record.details["decode"] for record in records(site)] == ["once", "proved"]
    assert records(site)[1].who == "Le Van C"


def test_ctrl_c_while_waiting_leaves_the_second_comparison_for_another_day(
    plant: Plant, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("drivers.commands.commission.time.sleep", interrupted)
    words = scripted(plant, "feeder", wait="y", display=plant.display("feeder", "active_energy_import", 0))
    code, said, _ = run(capsys, plant.end("lan"), "--dir", str(site), "--who", "Tran B", "--point", "CH-1", *words)
    assert code == 1
    assert "compared once" in said or "equal once" in said
    assert records(site)[0].details["decode"] == "once"


def test_ctrl_c_at_a_question_writes_nothing(
    plant: Plant, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typing(monkeypatch, ["lan", "CH-1", "", "^C"])
    assert run(capsys, plant.end("lan"), "--dir", str(site))[0] == 130
    assert (site / "site.yaml").read_text() == SITE
    assert not (site / "spool").exists()


@pytest.mark.parametrize(
    ("display", "why"),
    [
        (lambda kwh: f"{kwh / 1000:.5f}", "off by a factor of 0.001"),
        (lambda kwh: f"{kwh * 1000:.0f}", "off by a factor of 1000"),
        (lambda kwh: f"{kwh + 50:.2f}", "the display shows"),
    ],
)
def test_a_display_that_says_something_else_writes_nothing(
    plant: Plant, site: Path, capsys: pytest.CaptureFixture[str], display: Callable[[float], str], why: str
) -> None:
    words = scripted(plant, "idle", display=display(plant.shows("idle", "active_energy_import")))
    code, _, err = run(
        capsys, plant.end("lan"), "--unit", "4", "--dir", str(site), "--who", "Tran B", "--point", "CH-1", *words
    )
    assert code == 3
    assert why in err
    assert (site / "site.yaml").read_text() == SITE
    assert not (site / "spool").exists()


def test_what_is_there_already_is_refused_before_any_comparison(
    plant: Plant, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ("--dir", str(site), "--who", "Tran B", "--point", "CH-1")
    assert run(capsys, plant.end("lan"), *first, *scripted(plant, "feeder"))[0] == 1
    asked = len(plant.asked)
    for words, what in (
        (("--unit", "1"), "unit 1 (lan)"),
        (("--unit", "2", "--point", "CH-1"), "point CH-1"),
        (("--unit", "2", "--point", "PV-AC", "--name", "ch-1"), "id ch-1"),
    ):
        code, _, err = run(capsys, plant.end("lan"), "--dir", str(site), "--who", "Tran B", *words)
        assert code in (2, 3), err
        assert f"{what} is taken by meter ch-1" in err
    assert len(records(site)) == 1
    assert len(plant.asked) > asked


def test_the_variant_the_meter_needs_is_written(plant: Plant, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--unit", "3", "--profile", "eastron_sdm630", "--dir", str(site), "--who", "Tran B", "--point", "CH-1")
    code, said, err = run(capsys, plant.end("lan"), *words, *scripted(plant, "odd"), "--json")
    assert code == 1, err
    assert json.loads(said)["entry"]["word_order"] == "little"
    (meter,) = wiring.load((site / "site.yaml").read_text(), "site.yaml", profiles.library()).value.meters
    assert meter.word_order == "little"


def test_every_register_the_plan_credits_is_compared(
    plant: Plant, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PV-AC is credited by export and import; import stands still by day."""
    words = scripted(
        plant, "roof", **{"display.active_energy_export": plant.display("roof", "active_energy_export", 0)}
    )
    code, said, err = run(
        capsys,
        plant.end("lan"),
        "--unit",
        "2",
        "--dir",
        str(site),
        "--who",
        "Tran B",
        "--point",
        "PV-AC",
        *words,
        "--json",
    )
    assert code == 1, err
    details = json.loads(said)["record"]["details"]
    assert details["register.2.8.0.grade"] == details["register.1.8.0.grade"] == "once"


def test_nothing_flows(plant: Plant, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = scripted(plant, "idle")
    code, _, err = run(
        capsys, plant.end("lan"), "--unit", "4", "--dir", str(site), "--who", "Tran B", "--point", "CH-1", *words
    )
    assert code == 1
    assert "no power flows" in err


def test_a_dry_run_writes_nothing(plant: Plant, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--dir", str(site), "--who", "Tran B", "--point", "CH-1", "--dry-run", "--json")
    code, said, _ = run(capsys, plant.end("lan"), *words, *scripted(plant, "feeder"))
    told = json.loads(said)
    assert code == 1
    assert not told["written"]
    assert told["entry"]["profile"] == "eastron_sdm630"
    assert (site / "site.yaml").read_text() == SITE
    assert sorted(path.name for path in site.iterdir()) == ["plan.yaml", "site.yaml"]


def test_a_file_edited_meanwhile_is_not_overwritten(
    plant: Plant, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def edited() -> str:
        (site / "site.yaml").write_text(SITE + "# by a colleague\n")
        return plant.display("feeder", "active_energy_import")

    typing(monkeypatch, ["lan", "CH-1", "", "Tran B", "", edited, "", "", "", "", "", "n", ""])
    code, _, err = run(capsys, plant.end("lan"), "--dir", str(site))
    assert code == 3
    assert "edited by somebody else meanwhile" in err
    assert (site / "site.yaml").read_text() == SITE + "# by a colleague\n"
    assert len(records(site)) == 1, "the comparison is not lost"


def test_no_site_file(plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, plant.end("lan"), "--dir", str(tmp_path / "nowhere"))
    assert code == 2
    assert "mrv-agent init" in err


@pytest.mark.parametrize(
    ("profile", "settings", "answers"),
    [
        ("lovato_dmg610", "", {}),
        ("acrel_adl400", "ratio: 400/5", {"ratio": "400/5"}),
        ("mitsubishi_me96ss", "parameters: {full_load: 250}", {"parameter.full_load": "250"}),
        ("carlogavazzi_em530_em540", "summation: vector", {"summation": "vector"}),
    ],
)
def test_what_only_a_person_can_tell_is_asked_and_experimental_profiles_become_usable(
    site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    profile: str,
    settings: str,
    answers: dict[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    typing(monkeypatch, [])
    (site / "plan.yaml").unlink()
    counters = [name for name in profiles.library()[profile].read if MEASURANDS[name].cumulative]
    scenario = f"""
what: one meter
lines: [{{id: lan, kind: tcp}}]
meters:
  - {{id: it, line: lan, profile: {profile}, load: {{watts: 36000}}, settings: {{{settings}}}, opening: 18343}}
"""
    with played(scenario, tmp_path, monkeypatch) as plant:
        shown = {f"display.{name}": plant.display("it", name, 0) for name in counters}
        words = scripted(plant, "it", **answers, **shown, candidate="1")
        where = (plant.end("lan"), "--profile", profile, "--dir", str(site), "--who", "Tran B", "--point", "CH-1")
        code, said, err = run(capsys, *where, *words, "--json")
    assert code == 1, err
    assert json.loads(said)["decode"] == "once"
    found = wiring.load((site / "site.yaml").read_text(), "site.yaml", profiles.library()).value
    (meter,) = found.meters
    experimental = profiles.library()[profile].status == "experimental"
    assert (meter.acknowledged or "").startswith("Tran B, 20") is experimental
    kept = commission_gate.kept(site, "ch-1")
    assert commission_gate.refusal("ch-1", profiles.library()[profile], meter.settings, kept) is None
    assert (
        commission_gate.refusal("ch-1", profiles.library()[profile], meter.settings, None) is None
    ) is not experimental
