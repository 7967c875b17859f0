"""An export taken apart: a truthful one is clean, and each thing done to one is found and named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from site_log import T0, SiteLog, demo_plan

from mrv import leaf, period
from mrv.log.bundle import entries, split
from mrv.log.checkpoint import Checkpoint, cosign, issue
from mrv.log.merkle import EMPTY, leaf_hash
from mrv.log.note import COSIGNATURE, NOTE, SigningKey
from mrv.manifest import LEAVES_PER_FILE
from mrv.reading import Reading
from verify.cli import main

SITE = SigningKey("example.org/mrv/demo-factory/k1", NOTE, b"s" * 32)
OFFICE = SigningKey("example.org/mrv/collector", COSIGNATURE, b"o" * 32)
MADE = demo_plan(min_coverage=Decimal(0))
MINUTE = 60_000


def note(leaves: list[bytes], size: int, key: SigningKey = SITE) -> str:
    root = EMPTY.extend(map(leaf_hash, leaves[:size])).root()
    return cosign(issue(Checkpoint(key.name, size, root), key), OFFICE, T0 // 1000)


@pytest.fixture(scope="module", name="made")
def an_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty admitted minutes in two files of entries, with a checkpoint after every summary."""
    log = SiteLog(plan=MADE, key=SITE.vkey)
    log.run(T0, T0 + 20 * MINUTE + 10_000)
    kinds = [leaf.decode(data) for data in log.leaves]
    sizes = [i + 1 for i, fact in enumerate(kinds) if isinstance(fact, leaf.Summary)]
    leaves = log.leaves[: sizes[-1]]
    assert LEAVES_PER_FILE < len(leaves) < 2 * LEAVES_PER_FILE, "more than one file, so that order matters"
    folder = tmp_path_factory.mktemp("made") / "export"
    for name in ("checkpoints", "entries"):
        (folder / name).mkdir(parents=True)
    for size in sizes:
        (folder / "checkpoints" / str(size)).write_text(note(leaves, size))
    (folder / "checkpoint").write_text(note(leaves, sizes[-1]))
    for number in range(2):
        chunk = leaves[number * LEAVES_PER_FILE :][:LEAVES_PER_FILE]
        (folder / "entries" / f"{number:06d}").write_bytes(entries(chunk))
    config = next(fact for fact in kinds if isinstance(fact, leaf.Config))
    manifest = {
        "v": 1,
        "origin": SITE.name,
        "size": len(leaves),
        "site_key": SITE.vkey,
        "cosigners": [OFFICE.vkey],
        "plans": [config.plan],
        "bindings": [config.binding],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(name="export")
def a_copy(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "export")


Result = tuple[int, dict[str, object], set[str]]


@pytest.fixture(name="verify")
def verifier(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Exit code, report and codes of findings of `mrv-verify --json`."""

    def run(folder: Path, *arguments: str) -> Result:
        code = main([str(folder), "--json", *arguments])
        report = json.loads(capsys.readouterr().out)
        return code, report, {found["code"] for found in report["findings"]}

    return run


def test_a_truthful_export_is_clean(export: Path, verify: Callable[..., Result]) -> None:
    code, report, found = verify(export, "--key", SITE.vkey, "--cosigner", OFFICE.vkey)
    assert (code, found, report["clean"], report["keys_from_manifest"]) == (0, set(), True, [])
    summaries = report["summaries"]
    assert isinstance(summaries, list)
    assert [one["admitted"] for one in summaries] == [True] * 20


def test_keys_from_the_manifest_are_said_to_be_claims(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(export)]) == 0
    out = capsys.readouterr().out
    assert "clean" in out
    assert "--key, --cosigner" in out


# -- every tampering -----------------------------------------------------------------------------------------------


def entries_of(folder: Path, number: int = 0) -> list[bytes]:
    return split((folder / "entries" / f"{number:06d}").read_bytes())


def put(folder: Path, leaves: list[bytes], number: int = 0) -> None:
    (folder / "entries" / f"{number:06d}").write_bytes(entries(leaves))


def reading(leaves: list[bytes]) -> int:
    """The index of a reading in the middle of the file."""
    return next(i for i, data in enumerate(leaves) if i > 100 and b'"k":"reading"' in data)


def drop_a_leaf(folder: Path) -> None:
    leaves = entries_of(folder)
    del leaves[reading(leaves)]
    put(folder, leaves)


def drop_a_leaf_and_close_the_ranks(folder: Path) -> None:
    leaves = entries_of(folder) + entries_of(folder, 1)
    del leaves[reading(leaves)]
    put(folder, leaves[:LEAVES_PER_FILE])
    put(folder, leaves[LEAVES_PER_FILE:], 1)


def alter_a_leaf(folder: Path) -> None:
    leaves = entries_of(folder)
    at = reading(leaves)
    leaves[at] = leaves[at].replace(b'"ts":', b'"ts":1', 1)
    put(folder, leaves)


def swap_two_leaves(folder: Path) -> None:
    leaves = entries_of(folder)
    at = reading(leaves)
    leaves[at], leaves[at + 1] = leaves[at + 1], leaves[at]
    put(folder, leaves)


def swap_two_files(folder: Path) -> None:
    one, two = entries_of(folder), entries_of(folder, 1)
    put(folder, two)
    put(folder, one, 1)


def truncate_the_tail(folder: Path) -> None:
    put(folder, entries_of(folder, 1)[:-1], 1)


def lose_the_last_file(folder: Path) -> None:
    (folder / "entries" / "000001").unlink()


def lose_the_first_file(folder: Path) -> None:
    (folder / "entries" / "000000").unlink()


def cut_a_file(folder: Path) -> None:
    path = folder / "entries" / "000000"
    path.write_bytes(path.read_bytes()[:-5])


def add_a_leaf(folder: Path) -> None:
    put(folder, [*entries_of(folder, 1), b'{"k":"added"}'], 1)


def alter_a_checkpoint(folder: Path) -> None:
    path = min((folder / "checkpoints").iterdir())
    lines = path.read_text().split("\n")
    lines[2] = lines[2].translate(str.maketrans("abcABC", "bcaBCA"))
    path.write_text("\n".join(lines))


def misfile_a_checkpoint(folder: Path) -> None:
    path = min((folder / "checkpoints").iterdir())
    path.rename(path.with_name("7"))


def alter_the_receipt(folder: Path) -> None:
    path = folder / "checkpoint"
    *body, cosignature, _ = path.read_text().split("\n")
    path.write_text("\n".join([*body, cosignature[:-6] + "AAAAA=", ""]))


def lose_the_receipt(folder: Path) -> None:
    (folder / "checkpoint").unlink()


def an_older_receipt(folder: Path) -> None:
    sizes = sorted(int(path.name) for path in (folder / "checkpoints").iterdir())
    shutil.copy(folder / "checkpoints" / str(sizes[2]), folder / "checkpoint")


def two_histories(folder: Path) -> None:
    """A second checkpoint of the same size, truly signed by the site."""
    size = min(int(path.name) for path in (folder / "checkpoints").iterdir())
    (folder / "checkpoints" / f"{size}-b").write_text(issue(Checkpoint(SITE.name, size, b"f" * 32), SITE))


def change_the_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def another_site_key(folder: Path) -> None:
    change_the_manifest(folder, site_key=SigningKey(SITE.name, NOTE, b"x" * 32).vkey)


def another_cosigner(folder: Path) -> None:
    change_the_manifest(folder, cosigners=[SigningKey(OFFICE.name, COSIGNATURE, b"x" * 32).vkey])


def another_origin(folder: Path) -> None:
    change_the_manifest(folder, origin="example.org/mrv/other/k1")


def another_size(folder: Path) -> None:
    change_the_manifest(folder, size=1)


def rewrite_with_a_foreign_key(folder: Path) -> None:
    """A forger without the site's key signs the folder anew with one of the same name, manifest and all."""
    forger = SigningKey(SITE.name, NOTE, b"f" * 32)
    leaves = entries_of(folder) + entries_of(folder, 1)
    for path in [*(folder / "checkpoints").iterdir(), folder / "checkpoint"]:
        size = int(path.read_text().split("\n")[1])
        path.write_text(note(leaves, size, forger))
    change_the_manifest(folder, site_key=forger.vkey)


TAMPERINGS: dict[Callable[[Path], None], set[str]] = {
    drop_a_leaf: {"verify.entries_short", "audit.root_differs", "audit.leaves_missing"},
    drop_a_leaf_and_close_the_ranks: {"audit.root_differs", "audit.leaves_missing", "verify.size_differs"},
    alter_a_leaf: {"audit.root_differs"},
    swap_two_leaves: {"audit.root_differs"},
    swap_two_files: {"verify.entries_short", "audit.root_differs"},
    truncate_the_tail: {"audit.leaves_missing", "verify.size_differs"},
    lose_the_last_file: {"audit.leaves_missing", "verify.size_differs"},
    lose_the_first_file: {"verify.entries_stray", "audit.leaves_missing"},
    cut_a_file: {"log.entries_truncated", "audit.leaves_missing"},
    add_a_leaf: {"audit.beyond_receipt", "verify.size_differs"},
    alter_a_checkpoint: {"log.signature_wrong"},
    misfile_a_checkpoint: {"verify.checkpoint_misfiled"},
    alter_the_receipt: {"log.signature_wrong"},
    lose_the_receipt: {"verify.no_file", "audit.beyond_receipt"},
    an_older_receipt: {"audit.beyond_receipt"},
    two_histories: {"audit.fork"},
    another_site_key: {"log.signature_missing"},
    another_cosigner: {"log.cosignature_missing"},
    another_origin: {"verify.origin_differs"},
    another_size: {"verify.size_differs"},
    rewrite_with_a_foreign_key: {"audit.genesis_differs"},
}


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda function: function.__name__)
def test_each_tampering_is_found_and_named(
    export: Path, verify: Callable[..., Result], tampering: Callable[[Path], None]
) -> None:
    tampering(export)
    code, report, found = verify(export)
    assert (code, report["clean"]) == (1, False)
    assert found >= TAMPERINGS[tampering]
    named = report["findings"]
    assert isinstance(named, list)
    assert all(one["what"] != one["code"] and one["next"] for one in named), "each says what and what to do next"


def test_a_finding_leads_to_the_place(export: Path, verify: Callable[..., Result]) -> None:
    """The first checkpoint whose root differs is the first one behind the altered leaf."""
    at = reading(entries_of(export))
    alter_a_leaf(export)
    sizes = sorted(int(path.name) for path in (export / "checkpoints").iterdir())
    _, report, _ = verify(export)
    named = report["findings"]
    assert isinstance(named, list)
    first = min(int(one["params"]["size"]) for one in named if one["code"] == "audit.root_differs")
    assert first == next(size for size in sizes if size > at)


def test_a_person_is_told_once_what_is_wrong_many_times(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One altered leaf changes every root behind it, and one missing approval is missing for every summary."""
    leaves = entries_of(export)
    sizes = sorted(int(path.name) for path in (export / "checkpoints").iterdir())
    behind = next(size for size in sizes if size > reading(leaves))
    before = max(size for size in sizes if size <= reading(leaves))
    alter_a_leaf(export)
    change_the_manifest(export, bindings=[])
    assert main([str(export)]) == 1
    told = capsys.readouterr().out
    assert told.count("those the site signed") == 1
    assert f"leaves {before} to {behind - 1} are not those the site signed" in told
    assert f"the first {before} leaves are proven" in told
    assert told.count("is not approved") <= 3
    assert re.search(r"quarantined: summaries \d+ to 19, from 20\d\d-", told)
    assert len(told.splitlines()) < 40
    assert not re.search(r"\b1\d{12} to 1\d{12}\b", told), "no one reads milliseconds"


def test_a_person_is_told_what_was_judged(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How far it goes and when the office signed: an older export, clean in itself, is known by these."""
    assert main([str(export), "--key", SITE.vkey, "--cosigner", OFFICE.vkey]) == 0
    told = capsys.readouterr().out
    manifest = json.loads((export / "manifest.json").read_text())
    assert f"signed {period.shown(T0)}" in told
    assert f"from {period.shown(T0)} to {period.shown(T0 + 20 * MINUTE)}" in told
    assert f"plan {manifest['plans'][0]}" in told
    assert f"binding {manifest['bindings'][0]}" in told
    assert "what the office says" in told


def test_a_false_figure_is_shown_beside_the_true_one(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaves = entries_of(export)
    at = reading(leaves)
    fact = leaf.decode(leaves[at])
    assert isinstance(fact, Reading)
    false = {obis: "9" + value for obis, value in fact.registers.items()}
    leaves[at] = leaf.encode(msgspec.structs.replace(fact, registers=false))
    put(export, leaves)
    assert main([str(export)]) == 1
    told = capsys.readouterr().out
    obis, true = min(fact.registers.items())
    assert f"the raw words decode to {obis}={true}" in told
    assert f"the site says {obis}=9{true}" in told


@pytest.mark.parametrize("words", [("--key", OFFICE.vkey), ("--cosigner", SITE.vkey)])
def test_a_key_of_the_wrong_kind_is_wrong_use(
    export: Path, words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(export), *words]) == 2
    assert "one key serves one purpose" in capsys.readouterr().err


def test_keys_from_the_papers_outrank_the_manifest(export: Path, verify: Callable[..., Result]) -> None:
    rewrite_with_a_foreign_key(export)
    code, _, found = verify(export, "--key", SITE.vkey, "--cosigner", OFFICE.vkey)
    assert code == 1
    assert found >= {"verify.key_differs", "log.signature_missing"}


def test_what_nobody_approved_is_not_clean(export: Path, verify: Callable[..., Result]) -> None:
    change_the_manifest(export, plans=[])
    code, report, found = verify(export)
    assert (code, found) == (1, set())
    summaries = report["summaries"]
    assert isinstance(summaries, list)
    assert {reason["code"] for one in summaries for reason in one["reasons"]} == {"audit.plan_not_approved"}


# -- folders that are no export ------------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", [None, "", "[]", "{}", '{"v":2}', "\0", '{"v":1,"surprise":1}'])
def test_a_folder_that_is_no_export(export: Path, manifest: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    (export / "manifest.json").unlink()
    if manifest is not None:
        (export / "manifest.json").write_text(manifest)
    assert main([str(export)]) == 2
    assert "manifest.json" in capsys.readouterr().err


def test_links_out_of_the_folder_are_not_followed(export: Path, verify: Callable[..., Result]) -> None:
    receipt = export / "checkpoint"
    receipt.rename(export.parent / "elsewhere")
    receipt.symlink_to(export.parent / "elsewhere")
    assert "verify.no_file" in verify(export)[2]


def test_a_file_larger_than_it_can_honestly_be(export: Path, verify: Callable[..., Result]) -> None:
    with (export / "entries" / "000000").open("r+b") as file:
        file.truncate(LEAVES_PER_FILE * 50 * 1024)
    assert "verify.too_large" in verify(export)[2]


def test_a_bad_key_on_the_command_line(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(export), "--key", "gibberish"]) == 2
    assert capsys.readouterr().err
