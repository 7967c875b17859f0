"""Writes v1.json, the byte-exact vectors of wire format v1, from fixed keys: `python tests/vectors/generate.py`.

The leaves are those of a small log in the order a site writes them, one of each kind. The digests of plan, profile and
methodology name texts that are not in it. Regenerating is a no-op unless the wire format changes (test_vectors.py);
the one part that depends on the compressor is the deflate stream in `bundle`, which is zlib's.
"""

from __future__ import annotations

import json
from pathlib import Path

from mrv import events, exchange, leaf
from mrv.binding import Binding, BoundMeter, Settings
from mrv.counter import Decision, Mark
from mrv.exchange import Answer, Presence
from mrv.leaf import (
    AnyLeaf,
    Boot,
    Clock,
    Config,
    Genesis,
    Indicative,
    MeterEvent,
    Stood,
    Summary,
    Usage,
    UsedRegister,
)
from mrv.log import b64, bundle, proof
from mrv.log.checkpoint import Checkpoint, cosign, issue
from mrv.log.merkle import EMPTY, consistency_proof, inclusion_proof, leaf_hash
from mrv.log.note import COSIGNATURE, NOTE, SigningKey
from mrv.reading import ClockState, Gap, GapReason, Reading
from mrv.settle import Decided

FILE = Path(__file__).with_name("v1.json")
SITE = SigningKey("example.org/mrv/plant-1/k1", NOTE, bytes(range(32)))
COLLECTOR = SigningKey("example.org/mrv/collector", COSIGNATURE, bytes(range(32, 64)))
#: 2026-03-02T00:00:00Z, where the period of 900 s begins, and CLOCK_BOOTTIME at that instant.
T0, BOOTTIME_0 = 1_772_409_600_000, 64_000
END = T0 + 900_000
#: Leaves the collector had when it cosigned the receipt that the bundle shows.
OLD = 5
BINDING = leaf.canonical(
    Binding(
        site="plant-1",
        meters=(
            BoundMeter(
                meter="pv-main",
                point="PV-AC",
                profile="ct_meter",
                every=10,
                serial="24A0017",
                settings=Settings(ratio="400/5"),
            ),
        ),
    )
)


def stamp(ts: int) -> dict[str, object]:
    return {"boot": 1, "boottime": ts - T0 + BOOTTIME_0, "ts": ts, "clock": ClockState.SYNCHRONISED}


def log() -> list[AnyLeaf]:
    """One leaf of each kind, in the order a site writes them."""
    (blob,) = leaf.blobs(BINDING)
    usage = Usage(
        meter="pv-main",
        config=1,
        start=T0,
        end=END,
        expected=90,
        read=88,
        gap=2,
        opened=T0,
        closed=END,
        registers={
            "1.8.0": UsedRegister(opening="12.490", closing="12.500", used="0.010"),
            "2.8.0": UsedRegister(opening="18339.000", closing="18343.250", used="4.250"),
        },
        flags=("first",),
    )
    return [
        Genesis(
            version=leaf.WIRE_VERSION,
            site="plant-1",
            origin=SITE.name,
            epoch=1,
            key=SITE.vkey,
            ts=T0 - 3000,
            enrolled="approved",
        ),
        Boot(
            **stamp(T0 - 2900),
            kernel="6f1c2b9e-53d4-4f0a-9b77-0d8a3e6c1f25",
            agent="0.1.0",
            clean=True,
        ),
        Clock(**stamp(T0 - 2000), why="start", source="kernel"),
        blob,
        Config(
            **stamp(T0 - 1000),
            number=1,
            agent="0.1.0",
            tzdata="2026c",
            plan=leaf.digest(b"plan"),
            binding=leaf.digest(BINDING),
            profiles={"ct_meter": leaf.digest(b"profile")},
            methodologies={"VN_AM007_ver01.0": leaf.digest(b"methodology")},
        ),
        Gap(
            **stamp(T0 + 320_107),
            meter="pv-main",
            config=1,
            start=T0 + 300_000,
            end=T0 + 320_000,
            why=GapReason.TIMEOUT,
        ),
        Reading(
            **stamp(END + 123),
            meter="pv-main",
            config=1,
            slot=END,
            registers={"1.8.0": "12.500", "2.8.0": "18343.250"},
            raw={
                "i:0": "4366199a4365cccd43670000",
                "i:52": "c7212200",
                "i:62": "3f7cac08",
                "i:70": "42480a3d41480000468f4e80",
            },
        ),
        usage,
        Summary(
            seq=0,
            rules=1,
            start=T0,
            end=END,
            config=1,
            expected=90,
            read=88,
            gap=2,
            clock=ClockState.SYNCHRONISED,
            usages=(leaf.digest(leaf.encode(usage)),),
            projects=(
                Indicative(
                    project="pv",
                    methodology="VN_AM007_ver01.0",
                    status="provisional",
                    reference="101.760000",
                    emissions="0.000000",
                    reduction="101.760000",
                ),
            ),
        ),
    ]


def more() -> dict[str, AnyLeaf]:
    """Leaves outside the small log, by the kind or the case they show."""
    jump = Decision(
        verdict="held",
        why="jump",
        before=Mark(T0 + 590_000, {"2.8.0": "1004.0"}),
        after=Mark(T0 + 600_000, {"2.8.0": "1517.0"}),
        reads=7,
    )
    return {
        "meter": MeterEvent(
            **stamp(T0 + 600_000),
            meter="pv-main",
            config=1,
            event="commissioned",
            who="Nguyen Van A, MRV officer",
            details={"display.2.8.0": "18341.2", "made": str(T0 + 540_000), "record": leaf.digest(b"record")},
            raw={"i:74": "468f4a66"},
        ),
        "decision": events.decision(Decided(meter="pv-main", config=1, decision=jump), events.When(**stamp(END + 123))),
        "usage": Usage(
            meter="pv-main",
            config=1,
            start=T0,
            end=END,
            expected=90,
            read=88,
            gap=2,
            opened=T0,
            closed=END - 10_000,
            registers={
                "2.8.0": UsedRegister(
                    opening="1000.0",
                    closing="1523.0",
                    used="10.0",
                    jumped="513.0",
                    by={"80": "4.0", "60": "6.0"},
                    resolution="0.2",
                )
            },
            flags=("first", "carried", "jump", "held", "lost"),
            lost=10_000,
            holds={"jump": T0 + 600_000},
            suspect=END,
            stood=Stood(boot=1, boottime=BOOTTIME_0 + 890_123, clock=ClockState.SYNCHRONISED),
            ratio="60",
        ),
    }


def vectors() -> dict[str, object]:
    """Everything in v1.json."""
    facts = log()
    leaves = [leaf.encode(fact) for fact in facts]
    hashes = [leaf_hash(data) for data in leaves]
    trees = [EMPTY.extend(hashes[:size]) for size in range(len(leaves) + 1)]
    older = cosign(issued(OLD, trees[OLD].root()), COLLECTOR, T0 // 1000)
    newest = issued(len(leaves), trees[-1].root())
    packed = bundle.pack(
        bundle.Bundle(old=OLD, receipt=older, checkpoint=newest, leaves=tuple(leaves[OLD:])),
    )
    return {
        "keys": {name: key(held) for name, held in (("site", SITE), ("collector", COLLECTOR))},
        "binding": BINDING.decode(),
        "leaves": {
            json.loads(data)["k"]: {"index": index, "bytes": data.decode(), "hash": hashes[index].hex()}
            for index, data in enumerate(leaves)
        },
        "more": {
            name: {"bytes": leaf.encode(fact).decode(), "hash": leaf_hash(leaf.encode(fact)).hex()}
            for name, fact in more().items()
        },
        "trees": [{"size": tree.size, "root": tree.root().hex(), "frontier": tree.encode().hex()} for tree in trees],
        "inclusion": [
            {"index": index, "size": size, "proof": hexed(inclusion_proof(index, hashes[:size]))}
            for size in range(1, len(leaves) + 1)
            for index in range(size)
        ],
        "consistency": [
            {"size1": size1, "size2": size2, "proof": hexed(consistency_proof(size1, hashes[:size2]))}
            for size2 in range(1, len(leaves) + 1)
            for size1 in range(1, size2 + 1)
        ],
        "checkpoint": newest,
        "cosigned_message": f"cosignature/v1\ntime {T0 // 1000}\n{older.partition(chr(10) * 2)[0]}\n",
        "receipt": older,
        "receipt_time": T0 // 1000,
        "tlog_proof": proof.write(len(leaves) - 1, trees[-2].last_proof(), newest, leaves[-1]),
        "entries": bundle.entries(leaves[OLD:]).hex(),
        "bundle": {"old": OLD, "header": header_of(packed), "bytes": packed.hex()},
        "answers": {str(found.code): exchange.encode(found).decode() for found in answers(newest, older)},
        "presence": exchange.encode(Presence(version=1, state="online")).decode(),
    }


def issued(size: int, root: bytes) -> str:
    return issue(Checkpoint(SITE.name, size, root), SITE)


def key(held: SigningKey) -> dict[str, str]:
    return {"seed": held.seed.hex(), "id": held.public.id.hex(), "vkey": held.vkey}


def hexed(hashes: tuple[bytes, ...]) -> list[str]:
    return [found.hex() for found in hashes]


def header_of(packed: bytes) -> str:
    return packed[4 : 4 + int.from_bytes(packed[:4], "big")].decode()


def answers(newest: str, older: str) -> list[Answer]:
    origin, size, root = newest.split("\n")[:3]
    assert b64.decode(root)
    common = {"version": 1, "origin": origin, "size": int(size), "root": root}
    return [
        Answer(**common, code=400, fault="collector.root_differs"),
        Answer(**common, code=403, fault="collector.unknown_key"),
        Answer(**common, code=409, fault="collector.leaves_before", held=older),
    ]


def text() -> str:
    """The file's content."""
    return json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
