"""What judges believe of profiles and methodologies is what is released here, no more and no less."""

from __future__ import annotations

from drivers.profiles import library
from mrv import known, leaf
from mrv.methodology import catalogue


def test_every_released_profile_is_known() -> None:
    for name, profile in library().items():
        digest = leaf.digest(leaf.canonical(profile))
        assert known.profile(name, digest), f"add to mrv/known.py PROFILES: {name!r}: {digest!r}"


def test_every_released_methodology_is_known() -> None:
    for name, methodology in catalogue.library().items():
        digest = leaf.digest(leaf.canonical(methodology))
        assert known.methodology(name, digest), f"add to mrv/known.py METHODOLOGIES: {name!r}: {digest!r}"


def test_a_digest_is_known_under_its_own_name_only() -> None:
    (one, (digest, *_)), (other, _) = [(name, list(digests)) for name, digests in known.PROFILES.items()][:2]
    assert known.profile(one, digest)
    assert not known.profile(other, digest)
    assert not known.profile("nobody", digest)
    assert not known.methodology(one, digest)
