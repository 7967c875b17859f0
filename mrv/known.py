"""The profiles and methodologies this project has released, by digest: what a judge will decode and compute with.

A log carries its own profiles and methodologies, so that old logs can be judged for ever, but a site could carry a
profile that multiplies. A judge therefore uses only content whose digest stands here under its own name: it came with
the judge's copy of the software, not with the evidence. Nothing else from a log is ever decoded with or evaluated.

Lines are only added. A digest is taken away when its content was wrong; then nothing counted with it is admitted again.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Profile id -> SHA-256 of `mrv.leaf.canonical(profile)` of every revision.
PROFILES: Mapping[str, frozenset[str]] = {
    "eastron_sdm630": frozenset({"dd7b812d8b0f1f9bce6f5e53371079c23661371e32b82971bb2852aea6b937c6"}),
    "sunspec_inverter_3p": frozenset({"020c1d7a856e04d4c501491f62e156b583297e841cb3b7b0525adabce0addc61"}),
    "sunspec_inverter_3p_float": frozenset({"293d9f96d7156f9dee5de52a110e72a69af4c55c8e5b0826dcb0dc1e0bed3206"}),
}
#: Methodology name -> SHA-256 of `mrv.leaf.canonical(methodology)` of every state it was released in.
METHODOLOGIES: Mapping[str, frozenset[str]] = {
    "EFFICIENCY_RATIO_ver01.0": frozenset({"5c4167704d74fd6bc390999361d98dd3132827fd12b0a143461718bf1471cdbd"}),
    "VN_AM007_ver01.0": frozenset({"c99322cdc21b9cb011b6f39b8a5aab54dcf5dfa470545516775a57f948c9f0e4"}),
}


def profile(name: str, digest: str) -> bool:
    """Whether `digest` is a released state of the profile called `name`."""
    return digest in PROFILES.get(name, frozenset())


def methodology(name: str, digest: str) -> bool:
    """Whether `digest` is a released state of the methodology called `name`."""
    return digest in METHODOLOGIES.get(name, frozenset())
