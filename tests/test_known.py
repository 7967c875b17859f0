"""What judges believe of profiles and methodologies is what is released here, no more and no less."""

from __future__ import annotations

from importlib.resources import files

import msgspec
import pytest
from site_log import T0, SiteLog, demo_binding, demo_plan

from drivers.profiles import library, release
from mrv import known, leaf
from mrv.audit import Approvals, admit
from mrv.book import Book
from mrv.methodology import catalogue

SDM630 = library()["eastron_sdm630"]
DIGEST = leaf.digest(leaf.canonical(SDM630))


def test_every_profile_and_methodology_is_released() -> None:
    assert list(release.lines()) == [], "once they are as they shall stay: `make release`"
    for name, profile in library().items():
        assert known.profile(name, leaf.digest(leaf.canonical(profile))), (
            f"{name} was withdrawn: give it a new revision"
        )
    for name, methodology in catalogue.library().items():
        assert known.methodology(name, leaf.digest(leaf.canonical(methodology))), f"{name} was withdrawn"


def test_what_is_released_is_said_once_and_under_one_name() -> None:
    lines = (files("mrv") / known.FILE).read_text(encoding="utf-8").splitlines()
    digests = [line.split(" ")[2] for line in lines if line.startswith(("profile ", "methodology "))]
    assert len(set(digests)) == len(digests) > 50
    assert {len(digest) for digest in digests} == {64}


def test_a_profile_that_is_not_listed_yet_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = msgspec.structs.replace(SDM630, revision=SDM630.revision + 1)
    monkeypatch.setattr(release.profiles, "library", lambda: {"eastron_sdm630": changed})
    (line,) = release.lines()
    digest = leaf.digest(leaf.canonical(changed))
    assert line == f"profile eastron_sdm630 {digest}\n"
    assert known.read(line).profiles == {"eastron_sdm630": {digest}}


def test_a_digest_is_known_under_its_own_name_only() -> None:
    (one, (digest, *_)), (other, _) = [(name, list(digests)) for name, digests in known.PROFILES.items()][:2]
    assert known.profile(one, digest)
    assert not known.profile(other, digest)
    assert not known.profile("nobody", digest)
    assert not known.methodology(one, digest)


def test_an_approved_digest_is_trusted_under_the_name_in_its_text_only() -> None:
    ours = msgspec.structs.replace(SDM630, id="our_meter")
    digest = leaf.digest(leaf.canonical(ours))
    assert known.trusted("our_meter", digest, ours, frozenset({digest}))
    assert not known.trusted("our_meter", digest, ours, frozenset())
    assert not known.trusted("their_meter", digest, ours, frozenset({digest}))
    assert not known.trusted("our_meter", digest, None, frozenset({digest})), "not in the log"


@pytest.mark.parametrize("text", ["profile eastron_sdm630", "meter x y", "profile"])
def test_a_line_that_says_nothing_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the file is ours, and is read when the program starts
        known.read(text)


def test_what_was_withdrawn_counts_no_more_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    log = SiteLog()
    log.run(T0, T0 + 70_000)
    held = (files("mrv") / known.FILE).read_text(encoding="utf-8")
    now = known.read(f"{held}withdrawn {DIGEST} import and export were exchanged\n")
    for name, value in (("PROFILES", now.profiles), ("WITHDRAWN", now.withdrawn)):
        monkeypatch.setattr(known, name, value)
    assert not known.trusted("eastron_sdm630", DIGEST, SDM630, frozenset({DIGEST})), "whoever approved it"
    plan, binding = (leaf.digest(leaf.canonical(value)) for value in (demo_plan(), demo_binding()))
    approvals = Approvals(plans=frozenset({plan}), bindings=frozenset({binding}), profiles=frozenset({DIGEST}))
    book = Book(approved=approvals.profiles)
    (judged,) = [found for data in log.leaves if (found := book.add(data)) is not None]
    reasons = {found.code: found.params for found in admit(judged, approvals).reasons}
    assert reasons["audit.profile_withdrawn"]["why"] == "import and export were exchanged"
    assert "audit.summary_differs" in reasons, "nothing was decoded with it"
    assert list(release.lines()) == [], "and it is not released again by the next `make release`"
