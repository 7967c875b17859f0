"""`mrv-meter` as a technician or a script meets it: help, output, exit codes, languages."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from drivers import profiles
from drivers.cli import COMMANDS, main, parser

ROOT = Path(__file__).resolve().parents[2]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_the_common_arguments(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"example:\n  mrv-meter {command}" in said
    assert "--json" in said
    assert "--lang" in said


def test_the_whole_help_names_every_command_and_the_exit_codes() -> None:
    said = parser().format_help()
    assert "exit codes:" in said
    assert all(command in said for command in COMMANDS)


def test_profiles_for_scripts_and_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "profiles", "--json")
    assert code == 0
    listed = {entry["id"]: entry for entry in json.loads(said)["profiles"]}
    assert listed.keys() == profiles.library().keys()
    assert listed["eastron_sdm630"]["energy"][:2] == ["active_energy_import", "active_energy_export"]
    code, said, _ = run(capsys, "profiles", "--lang", "vi")
    assert code == 0
    assert "độ tin cậy" in said.splitlines()[0]
    assert len(said.splitlines()) == len(listed) + 1


def test_one_profile_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "profiles", "eastron_sdm630")
    assert code == 0
    profile = profiles.library()["eastron_sdm630"]
    assert all(line in said for line in (*profile.caveats, *profile.sources))
    code, said, _ = run(capsys, "profiles", "eastron_sdm630", "--json")
    assert json.loads(said)["caveats"] == list(profile.caveats)


def test_profiles_beside_a_site_are_listed_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / profiles.OWN
    own.mkdir()
    text = profiles.source_text("eastron_sdm630").replace("id: eastron_sdm630", "id: our_meter")
    (own / "our_meter.yaml").write_text(text)
    code, said, _ = run(capsys, "profiles", "our_meter", "--dir", str(tmp_path), "--json")
    assert (code, json.loads(said)["proof"]) == (0, {"energy": None, "best": None})
    code, said, _ = run(capsys, "profiles", "--dir", str(tmp_path), "--lang", "en")
    assert len(said.splitlines()) == len(profiles.library()) + 2
    code, said, _ = run(capsys, "profiles", "--dir", str(tmp_path), "--markdown")
    assert "our_meter" not in said, "the page is of the released ones"
    (own / "our_meter.yaml").write_text(text + "nonsense: 1\n")
    code, _, err = run(capsys, "profiles", "--dir", str(tmp_path), "--lang", "en")
    assert code == 2
    assert "profiles/our_meter.yaml:" in err


def test_an_unknown_profile_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "profiles", "sdm999", "--lang", "en")
    assert code == 2
    assert "Eastron" in err
    code, said, _ = run(capsys, "profiles", "sdm999", "--json")
    assert [found["code"] for found in json.loads(said)["faults"]] == ["tool.no_such_make"]


def test_listing_profiles_loads_neither_simulator_nor_modbus_library() -> None:
    program = "import sys; from drivers.cli import main; main(['profiles', '--json']); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = told.splitlines()[-1].split()
    assert not {name for name in loaded if name.startswith(("drivers.simulator", "pymodbus", "rich"))}


def test_a_reader_that_leaves_early_is_no_error() -> None:
    program = "from drivers.cli import main; raise SystemExit(main(['profiles', 'eastron_sdm630']))"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()
    assert process.communicate(timeout=30)[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_text_of_the_tool_exists_and_none_is_left_over(language: str) -> None:
    used, prefixes = set(), set()
    for path in (ROOT / "drivers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                prefixes.add(str(node.values[0].value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("tool."):
                used.add(node.value)
    prefixes = {prefix for prefix in prefixes if prefix.startswith("tool.")}
    with (ROOT / "mrv" / "locale" / language / "LC_MESSAGES" / "tool.po").open("rb") as file:
        held = {str(message.id) for message in read_po(file) if message.id}
    assert used - prefixes <= held
    assert {text for text in held if text not in used and not text.startswith(tuple(prefixes))} == set()
