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
    "abb_a43_a44": frozenset({"9b6a446c651edc912e0052aed436e914ca6caab9e1ee89edf6c8600910ec2915"}),
    "abb_b21_b23_b24": frozenset({"b47b8077bc639fcc77668f6b586162217905dd1bac371f85d50ada9edcffd9a9"}),
    "abb_m1m": frozenset({"84361345762b6e165aa707fd929adf4843da53fbb15956e9eb48d7e381ca6dcc"}),
    "abb_m2m_dmtme": frozenset({"0f4fbdc43b39656e92816d13c9135afc38bda4ae410f60fb05d86da2649ce82e"}),
    "acrel_adl400": frozenset({"04ec6a8a374ecf9fb342c113bcc200d336ca4aa0592d402a8debb790a673c672"}),
    "acrel_adw300": frozenset({"09ad6874d2bde3935121572c4761cc8d2dd672e7508fee3c5956dbffb6dae757"}),
    "carlogavazzi_em111_em112": frozenset({"b1e2e5cbd99793cc82dd4b5f9ef6a04c2400628c5675d62c894fa9bbd9ba8eed"}),
    "carlogavazzi_em330_em340": frozenset({"a2462f06b85ee6323220bbdbb6cd90caafc5ff5353c64e1291f6151ff52c835b"}),
    "carlogavazzi_em530_em540": frozenset({"ac3a34b4c607e7c5df14740f0c24e614715fe26abaeed230283f73b5591a595b"}),
    "chint_ddsu666": frozenset({"9f88984c3295ba353c8941410b478dd15a765c42a5156a9df0d3ad258f5ca88e"}),
    "eastron_sdm120": frozenset({"b15a28c11918b0d9698448807fb87bac2f7e4887c90176b85cfd0076264ea84a"}),
    "eastron_sdm230": frozenset({"093b32ef3f8a1fe23648bcd3ff1c5aaa977e7dc005ecb2ba07917189ae565267"}),
    "eastron_sdm630": frozenset({"dd7b812d8b0f1f9bce6f5e53371079c23661371e32b82971bb2852aea6b937c6"}),
    "fronius_sunspec": frozenset({"8c3258f3906b553c61c1b23908691b954e5acafb2544b15bb7f6886486544432"}),
    "growatt_mid_max": frozenset({"1f2e34811b4e3c80491778af76aceb1f1fc07a5d17e690cdd9c8ff0280eaabe5"}),
    "huawei_sun2000": frozenset({"d656955ebb160b9fb24544e9b257257833a55c1a004f36bcbcd799903463d4db"}),
    "ime_nemo96_legrand_emdx3": frozenset({"4512eb5f0d01ede0139eb63ecf7c28a25e1eff1bb62e323a1b7c9c91a84dcd40"}),
    "inepro_pro380": frozenset({"b68372f28980915d81c5007b406a6d75bbe271db53a773e3bdd7d28c2a143edb"}),
    "janitza_b21_b23_b24": frozenset({"0514f0557b2deff18fbf47940f1195d5e6d3fe05e1ea04f691ab205c30f1cd3b"}),
    "janitza_umg96rm_umg604": frozenset({"dcd1f8add3c11ab6e851ab5b89cd089e5dee6ec951d1e0df5f68108a07c2a099"}),
    "lovato_dmg610": frozenset({"a213288e82e548e8969172ae8fef46f0f715006465f952ea9f3f0082d516d533"}),
    "omron_km_n1_n2_n3": frozenset({"844d10995863f93091877c7bd7093a48a4890737ee5a8ee9fd3a46e4a3270c24"}),
    "orno_we516_we517": frozenset({"203751aa7e1660373d5857a1317b5a576902f074d7a4aae1ae0dbae749adadca"}),
    "schneider_iem3155_iem3255": frozenset({"a266bd81312de194a9c313462a4d29a5a1ff53be1f92d404e4217134cc873af0"}),
    "schneider_pm2100_pm2200": frozenset({"1011321d7f5ac67d5b0cb931c319187f7483bb61aac6f80477ccf273607a8afa"}),
    "schneider_pm5100_pm5300_pm5500": frozenset({"899ef097b81f5af043b4daed99a81acb18f6668a51dc98e06b5d9afdb4557faf"}),
    "schneider_pm8000": frozenset({"da40574946162ee0c6f36cb5f668a7437851a619ced906e230f9f0899e5aff75"}),
    "selec_mfm383_mfm384": frozenset({"a57f99ae4e180e4ef32fd48b1a193beb958e2ecbf331fa02460b2e6a0c04627d"}),
    "siemens_pac1600": frozenset({"29d11411b66b0a368ae196ddafc22130b3e8db3f9abd9a6077d0b54b312b4341"}),
    "sma_sunny_tripower": frozenset({"f5214a4c7dff30c5b61c233713f4d27127c44b3c12bf28bac736c2b2983326d1"}),
    "socomec_countis_e": frozenset({"5ac56ed5a51cc67e9ba1ccfaa48b4926303035bf3942476966e742f362cdf355"}),
    "socomec_diris_a10_a14": frozenset({"93d60acfdb211e19088604d6a66d03cf2f5652f43f6db2d9b8ea09943cec0181"}),
    "sungrow_sg": frozenset({"62288625d6eb7165970ededc7361eec14d9059ffb5dcdcdc54705821afd2be25"}),
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
