"""A site's own methodology is a file beside its plan, and no Python."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from agent import cli, config, keys
from mrv.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
TEXT = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "methodologies.md").read_text(), re.DOTALL)[0]


@pytest.fixture(name="site")
def a_folder_with_pumps(tmp_path: Path) -> Path:
    """The example site, whose chiller is counted by the page's methodology."""
    for name in ("site.yaml", "plan.yaml"):
        (tmp_path / name).write_text((files("agent") / "examples" / name).read_text(encoding="utf-8"))
    plan = (tmp_path / "plan.yaml").read_text()
    plan = plan.replace("EFFICIENCY_RATIO_ver01.0", "EXAMPLE_PUMPS_ver01.0")
    plan = plan.replace("COP_PJ:\n            value: 6.5", "R_SEC:\n            value: 1.5")
    plan = re.sub(r"          COP_RE:.*?(?=        monitored)", "", plan, flags=re.DOTALL)
    (tmp_path / "plan.yaml").write_text(plan)
    (tmp_path / "methodologies").mkdir()
    (tmp_path / "methodologies" / "EXAMPLE_PUMPS.yaml").write_text(TEXT)
    return tmp_path


def codes(site: Path) -> list[str]:
    with pytest.raises(BadInput) as caught:
        config.load(site)
    return [fault.code for fault in caught.value.faults]


def test_it_is_found_and_carried(site: Path) -> None:
    assert "EXAMPLE_PUMPS_ver01.0" in config.load(site).methodologies


def test_check_says_what_the_office_must_see(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setup = config.load(site)
    (site / "state").mkdir()
    keys.make(site / "state", keys.origin(setup.site.org, setup.site.site))
    assert cli.main(["check", "--dir", str(site), "--json"]) == 0
    codes = [one["code"] for one in json.loads(capsys.readouterr().out)["notes"]]
    assert codes.count("agent.own_methodology") == 1
    assert "agent.own_profile" not in codes


def test_without_the_file_the_plan_does_not_load(site: Path) -> None:
    (site / "methodologies" / "EXAMPLE_PUMPS.yaml").unlink()
    assert codes(site) == ["plan.methodology_unknown"]


def test_its_faults_are_told_with_file_and_line(site: Path) -> None:
    own = site / "methodologies" / "EXAMPLE_PUMPS.yaml"
    own.write_text(TEXT.replace("unit: MWh", "unit: mwh"))
    with pytest.raises(BadInput) as caught:
        config.load(site)
    assert caught.value.faults[0].where.startswith("methodologies/EXAMPLE_PUMPS.yaml:")


def test_a_name_of_the_library_is_taken_and_a_file_bears_its_id(site: Path) -> None:
    (site / "methodologies" / "OTHER.yaml").write_text(TEXT.replace('"01.0"', '"02.0"'))
    assert "agent.methodology_misnamed" in codes(site)
    (site / "methodologies" / "OTHER.yaml").write_text((ROOT / "mrv" / "methodology" / "VN_AM007.yaml").read_text())
    assert "agent.methodology_taken" in codes(site)
