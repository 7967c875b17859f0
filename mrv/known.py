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
    "abb_a43_a44": frozenset({"cfb6f5b3a369b7d0b388fb0fce99b9c0376217e4babcc379b1435d2d56efb057"}),
    "abb_b21_b23_b24": frozenset({"dbd02d414f59d152c6fac1acd22cdd98e7d03a08c6367c91ba92d0c3670ba383"}),
    "abb_m1m": frozenset({"84361345762b6e165aa707fd929adf4843da53fbb15956e9eb48d7e381ca6dcc"}),
    "abb_m2m_dmtme": frozenset({"23c69da019076c27843ec4504b19b1bf53f5f2ccba5a700ce76394ad527e2f91"}),
    "acrel_adl3000": frozenset({"763a819aaf7c91bb8ea4f5052d9383788b3f09bac6d49573d6f5cceaf8c01cd3"}),
    "acrel_adl400": frozenset({"033c15af1d33c1ddbac4195769519926fa81d45d6a5b40fba9884c41e445a85a"}),
    "acrel_adw300": frozenset({"7cbe73fbc33fd187949e7bbc405d5d4672d98ecb4db624cb8b6f23cd6d600376"}),
    "carlogavazzi_em111_em112": frozenset({"29e1c0d90592b9d05f23341cd43d4cafb1492bb5ab96621672a41753f7a4d6af"}),
    "carlogavazzi_em24_ethernet": frozenset({"591284be6884db816a558b59e428373514b96fc8ec22a5972a7d49c10f3abb19"}),
    "carlogavazzi_em24_rs485": frozenset({"5177d1e0f9b2855e1ec6536dd5f73e10bfc0992b5af8fa44d50c17f1c649ebb3"}),
    "carlogavazzi_em330_em340": frozenset({"413afa1c6137c7501ff1981acc636d30021036934f53d594b9ccad8954f182c5"}),
    "carlogavazzi_em530_em540": frozenset({"dd114075015288261e666772a015a199bd04af45450b0b72d8a9028e3e797e22"}),
    "chint_ddsu666": frozenset({"c2d7fe85165e508ee5c00c7a178a0318f2c1522afc4e1f614667d8751251466c"}),
    "chint_dtsu666": frozenset({"28a88bc759604ad70030f82cee8835b145cf20e3e6d8e05b90104d16067a9f00"}),
    "eastron_sdm120": frozenset({"829041aef7435441da0e9a3aed00a04cb9f6774735b399e4e6f807f58596f576"}),
    "eastron_sdm230": frozenset({"44a03b216cc2056d096345a54553099b87cf7440e88cadc7ea8c2a8f6c0f201f"}),
    "eastron_sdm630": frozenset({"dd7b812d8b0f1f9bce6f5e53371079c23661371e32b82971bb2852aea6b937c6"}),
    "fronius_sunspec": frozenset({"8c3258f3906b553c61c1b23908691b954e5acafb2544b15bb7f6886486544432"}),
    "goodwe_et_dt": frozenset({"c43c81a736705ba42ac3b55a9e29dcf8ccd7cbb9e257dafa535174c918346aeb"}),
    "goodwe_et_dt_string": frozenset({"e4732c2f080d948d7a9b43bfa6198c9033fa69957352e54afb60f89b7d34cb3d"}),
    "growatt_mid_max": frozenset({"d3218f49b2bd609f1f1b6b061d1282cabc74b116f4bd57d84d070b566de2bbf2"}),
    "huawei_sun2000": frozenset({"332ef888992872cb1aaf2bafca3e6c07d918552baa7e2f9431e370ff99fcf394"}),
    "ime_nemo96_legrand_emdx3": frozenset({"4512eb5f0d01ede0139eb63ecf7c28a25e1eff1bb62e323a1b7c9c91a84dcd40"}),
    "inepro_pro380": frozenset({"403a38cc66cd8d32615c53d2a6b2c657e3c67b6e90250d9a8d073452a988cc44"}),
    "iskra_wm3m4": frozenset({"a266b334ef38bcb561824afe9c4112f7472cd9e17da56502411c5bbf6f526c24"}),
    "janitza_b21_b23_b24": frozenset({"0514f0557b2deff18fbf47940f1195d5e6d3fe05e1ea04f691ab205c30f1cd3b"}),
    "janitza_umg96rm_umg604": frozenset({"6052de222ba85527d4c3431937dd0230d5a7cfbcafce3bdd043b2487d4833e1b"}),
    "lovato_dmg610": frozenset({"332cffa6a1a2ae5011c84e69c5a0e102051ea532f51e1e082eb02beaa2fdd5bd"}),
    "mitsubishi_me96ss": frozenset({"e522ed1cd8399ccce0c07ee6911dd44b6a9ec51fc3de8433c3b64e49ba74385d"}),
    "omron_km_n1_n2_n3": frozenset({"7252d3309d8f0198725cfbcb86890d1ed4e37011fe13c6fd1c11b56453dd0e0c"}),
    "orno_we516_we517": frozenset({"a72f5fa95d727fcf12456b033d37c96b513c49eaf383bde5a15a81d8deecfc9e"}),
    "schneider_iem3155_iem3255": frozenset({"b98572cc06fb42fb385a836a09d43835ec18f8cf5f2888c3eee2207e120e48e5"}),
    "schneider_pm2100_pm2200": frozenset({"8fdc732fa642af80f40a21d9735c1c7076be1e4c31097b4a9cdfc92b7417032f"}),
    "schneider_pm5100_pm5300_pm5500": frozenset({"70372e72955d750c785b17fcdd88525a0488fb874d054d318f4285e3a4bc529a"}),
    "schneider_pm8000": frozenset({"da40574946162ee0c6f36cb5f668a7437851a619ced906e230f9f0899e5aff75"}),
    "selec_mfm383_mfm384": frozenset({"cb14392f92d83b45fdc4f16031007cbf31983b40d4b39756be762c6491dc9bf2"}),
    "siemens_pac1600": frozenset({"c18d44b904e979b73887f56d95f9f90ed004f95827805187c4eda0fe413f373f"}),
    "siemens_pac2200_pac3200_pac4200": frozenset({"354bee341758afb3916a61be491c602f41f6a85af4618c531fdc3733189d567f"}),
    "sma_sunny_tripower": frozenset({"992dd935bf2ed2da67d1c330180f7a83484f511e8ff7a7234c3f3c439fcdb99b"}),
    "socomec_countis_e": frozenset({"931aa5418d17e708a5011a07058278e5ee18d10c8c1299d76f98199d8b36ca6c"}),
    "socomec_diris_a10_a14": frozenset({"949882f793340017ad668cbcf5e1cedb8a62da4d66ddca81660f67948df76a4e"}),
    "sungrow_sg": frozenset({"f29370075d3c4120fd603696445a98ba6a538c31f82b90dff33264a7f87cc2da"}),
    "sunspec_inverter_3p": frozenset({"020c1d7a856e04d4c501491f62e156b583297e841cb3b7b0525adabce0addc61"}),
    "sunspec_inverter_3p_float": frozenset({"293d9f96d7156f9dee5de52a110e72a69af4c55c8e5b0826dcb0dc1e0bed3206"}),
    "sunspec_meter_3p": frozenset({"0ee2581b1098ca4083c6b139b1d1f4d3c86b00751a81c6267a7f9c0883367082"}),
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
