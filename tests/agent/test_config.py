"""Both files at once: every fault of either, each at its line, and what one says that the other cannot keep."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway import write

from agent import config
from agent.commands import init
from mrv.errors import BadInput, Fault


def faults(folder: Path) -> list[Fault]:
    with pytest.raises(BadInput) as caught:
        config.load(folder)
    return list(caught.value.faults)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def test_the_examples_are_what_init_writes_and_load(root: Path) -> None:
    for file in (config.SITE_FILE, config.PLAN_FILE):
        assert init.example(file, "demo-factory", "example") == (root / "config" / file).read_text()
    setup = config.load(root / "config")
    assert [meter.id for meter in setup.site.meters] == ["pv-main", "pv-inverter", "chiller-1"]
    assert len(setup.site.buses) == 2
    assert sorted(setup.profiles) == ["eastron_sdm630", "sunspec_inverter_3p"]


def test_an_example_for_another_site_names_it_in_both_files(tmp_path: Path) -> None:
    for file in (config.SITE_FILE, config.PLAN_FILE):
        (tmp_path / file).write_text(init.example(file, "long-an-2", "mrv.example.vn"))
    setup = config.load(tmp_path)
    assert (setup.site.site, setup.plan.site, setup.site.org) == ("long-an-2", "long-an-2", "mrv.example.vn")


def test_faults_of_both_files_come_at_once(folder: Path) -> None:
    change(folder / "site.yaml", "unit: 3", "unit: 300")
    change(folder / "site.yaml", "  port: 9", "  prot: 9")
    change(folder / "plan.yaml", "timezone: Asia/Ho_Chi_Minh", "timezone: Asia/Saigonn")
    found = [(f.code, f.where) for f in faults(folder)]
    assert found == [
        ("config.misspelt", "site.yaml:6 collector.prot"),
        ("config.out_of_range", "site.yaml:15 meters[1].unit"),
        ("plan.unknown_timezone", "plan.yaml:6 timezone"),
    ]


def test_what_the_files_promise_each_other_is_told_at_its_line(folder: Path) -> None:
    change(folder / "site.yaml", "point: CH-1", "point: CH-9")
    change(folder / "site.yaml", "every: 10", "every: 7")
    found = {f.code: f.where for f in faults(folder)}
    assert found["plan.meter_without_point"] == "site.yaml:16 meters[2]"
    assert found["plan.every_and_period"] == "site.yaml:14 meters[0]"
    assert found["plan.point_without_meter"].startswith("plan.yaml:")


@pytest.mark.parametrize(
    "key",
    [
        "example/mrv/collector+00000000+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "example/mrv/demo-factory/k1+06247285+AS78YzJ3QKi2PsmhcyRMdofpWtCT2lCaeFmtvjaMwCBN",
    ],
)
def test_a_key_that_cannot_sign_receipts_is_refused_at_its_line(folder: Path, key: str) -> None:
    change(folder / "site.yaml", config.example_cosigner(), key)
    assert {f.where for f in faults(folder)} == {"site.yaml:8 collector.cosigners[0]"}


def test_a_missing_file_is_a_fault_like_others(folder: Path) -> None:
    (folder / "plan.yaml").unlink()
    change(folder / "site.yaml", "unit: 3", "unit: 300")
    assert [f.code for f in faults(folder)] == ["config.out_of_range", "agent.cannot_read"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp1258"])
def test_a_file_an_editor_saved_in_another_encoding(folder: Path, encoding: str) -> None:
    text = (folder / "plan.yaml").read_text().replace("title: ", "title: Nhà máy ", 1)
    (folder / "plan.yaml").write_bytes(text.replace("á", "\u0061\u0301").replace("à", "\u00e0").encode(encoding))
    (found,) = faults(folder)
    assert (found.code, found.where) == ("config.not_utf8", "plan.yaml")


def test_a_byte_order_mark_and_the_line_ends_of_windows_do_no_harm(folder: Path) -> None:
    for file in ("site.yaml", "plan.yaml"):
        text = (folder / file).read_text().replace("\n", "\r\n")
        (folder / file).write_bytes(b"\xef\xbb\xbf" + text.encode())
    config.load(folder)


def test_digests_follow_meaning_not_spelling(folder: Path) -> None:
    before = config.load(folder)
    change(folder / "site.yaml", "host: 127.0.0.1", "host: 10.0.0.1")
    (folder / "plan.yaml").write_text("# a comment\n" + (folder / "plan.yaml").read_text())
    after = config.load(folder)
    assert (before.plan_digest, before.binding_digest) == (after.plan_digest, after.binding_digest)
    change(folder / "site.yaml", "every: 10", "every: 20")
    assert config.load(folder).binding_digest != before.binding_digest
