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
    "EFFICIENCY_RATIO_FUEL_ver01.0": frozenset({"811b849a6da472f2cb655260a3f86c779873dd96f63337950c111a48f48e7b35"}),
    "EFFICIENCY_RATIO_WEIGHTED_ver01.0": frozenset(
        {"78307d288d26b406b43db89b264ab7205f0cdcd50f988bb648e0f316be12cb1a"}
    ),
    "EFFICIENCY_RATIO_ver01.0": frozenset(
        {
            "5c4167704d74fd6bc390999361d98dd3132827fd12b0a143461718bf1471cdbd",
            "b38dbbebbd4dea077594ad277bda3e5066d57224b998f3b5587cc59347e4c99b",
        }
    ),
    "ID_AM002_ver02.0": frozenset({"20163b1a2bb3164794358e652e63a1812999339fd7175b275d65f7b9c26bcd2f"}),
    "ID_AM004_ver02.0": frozenset({"63ae73fea6ab1884ce7211b0ae853901db4927099ead9d6e1c35feded8e93ea2"}),
    "ID_AM017_ver01.0": frozenset({"bed315bc2611e783d3ae87b220de82d4f82640d019c34e0ff161db3ae2daf8d7"}),
    "ID_AM022_ver01.0": frozenset({"abf898f54408770d0cf1479893409f604ac102d71b5317c871e65624a47f5084"}),
    "LIGHTING_HOURS_ver01.0": frozenset({"041e66b246e5403b345fa9610fda91085581e19056fa9c2247094ffd82ff1ad3"}),
    "MM_AM002_ver01.0": frozenset({"2a0f14f5b3d2c13f60866e49ccc9035d7a7dc94a78530f811e93e2f25ce3f456"}),
    "NO_LOAD_LOSS_ver01.0": frozenset({"674a4ebb8b9b3df50f5d0628052966b09c0b18d5d6e3708d782f301217b748b3"}),
    "SPECIFIC_ENERGY_ver01.0": frozenset({"94eeb548cdbf2b645b89f86e613e7fbdc74a030d50463bb5324e88d639b1264f"}),
    "TH_AM005_ver03.0": frozenset({"36b8dc5720cfa9263c93f7252a3729c1ecdceba305fcb54b6553df6b6e8644f3"}),
    "VN_AM003_ver01.0": frozenset({"805b81ad23c130a23268dba14dff2e8934a2413332ecda47b13d9170db86a07a"}),
    "VN_AM007_ver01.0": frozenset(
        {
            "c99322cdc21b9cb011b6f39b8a5aab54dcf5dfa470545516775a57f948c9f0e4",
            "e98a6ba2e164265149f25178581eb90e47ea22b2e1066f7c0671274c7c7743d1",
        }
    ),
}


def profile(name: str, digest: str) -> bool:
    """Whether `digest` is a released state of the profile called `name`."""
    return digest in PROFILES.get(name, frozenset())


def methodology(name: str, digest: str) -> bool:
    """Whether `digest` is a released state of the methodology called `name`."""
    return digest in METHODOLOGIES.get(name, frozenset())
