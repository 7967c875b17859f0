"""Material around the paper crediting: plan, wiring, logs, records of every kind, a sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from paper_crediting import END, NEW_YEAR, SHA, START, crediting, utc
from paper_records import entries

from collector.report.material import LogState, Material, PlanVersion, Quarantined, Sample, Wired
from mrv.errors import fault
from mrv.plan import MonitoringPlan

PLAN = {
    "site": "demo-factory",
    "timezone": "Asia/Ho_Chi_Minh",
    "period": 900,
    "points": [
        {
            "id": "PV-AC",
            "scope": "AC output of the rooftop plant behind its transformer",
            "evidence": "meter",
            "diagram": "Q-PV1",
            "devices": [
                {
                    "device": "meter",
                    "serial": "12345678",
                    "make": "Eastron",
                    "model": "SDM630",
                    "accuracy": "class 0.5 S",
                    "standard": "IEC 62053-22",
                    "mpe": {"value": "0.5", "unit": "%"},
                    "seals": ["S-1", "S-2"],
                    "installed": "2025-12-01",
                },
                {"device": "ct", "serial": "CT-1", "ratio": "400/5", "mpe": {"value": "0.5", "unit": "%"}},
            ],
        },
        {"id": "PV-2", "scope": "AC output of the carport", "evidence": "meter"},
        {"id": "PV-INV", "scope": "inverter of the roof", "evidence": "inverter", "checks": "PV-AC"},
    ],
    "projects": [
        {
            "id": "pv",
            "title": "Rooftop PV & carport",
            "methodology": "VN_AM007_ver01.0",
            "operation_start": "2026-02-01",
            "boundary": "The meter stands behind the step-up transformer; its losses are not credited.",
            "generators": [{"id": "g1", "mode": "standby"}],
            "participants": [{"name": "Factory Co.", "country": "VN"}, {"name": "Partner KK", "country": "JP"}],
            "responsible": [{"role": "MRV officer", "duty": "checks the data every month", "name": "Nguyen Van A"}],
            "estimates": [{"year": 2026, "tonnes": 20}, {"year": 2027, "tonnes": 24}],
            "items": [
                {
                    "id": "roof",
                    "title": "400 kWp on the roof",
                    "monitored": {
                        "EG": {
                            "plus": [{"point": "PV-AC", "register": "active_energy_export"}],
                            "minus": [{"point": "PV-AC", "register": "active_energy_import"}],
                        }
                    },
                },
                {
                    "id": "carport",
                    "monitored": {"EG": {"plus": [{"point": "PV-2", "register": "active_energy_export"}]}},
                },
            ],
        }
    ],
}


def plan() -> MonitoringPlan:
    return msgspec.convert(PLAN, MonitoringPlan)


def material(**changes: Any) -> Material:
    """All of it; `changes` are fields."""
    origin = "example.org/mrv/demo-factory/k1"
    wired = Wired(
        origin=origin,
        since=START,
        meter="pv-main",
        point="PV-AC",
        serial="12345678",
        profile="eastron_sdm630 (revision 1)",
        maker="Eastron",
        models="SDM630-Modbus V2",
        every=60,
        ratio="400/5",
        registers=(("active_energy_export", "2.8.0", 3, None), ("active_energy_import", "1.8.0", 3, 10**9)),
    )
    log = LogState(
        origin=origin,
        key="example.org/mrv/demo-factory/k1+1234abcd+AQ",
        size=123456,
        root=SHA,
        receipt="example.org/mrv/demo-factory/k1\n123456\nroot\n\n— example.org/mrv/collector signature\n",
        received=END,
        usages=70000,
        admitted=35000,
        quarantined=1,
    )
    sample = Sample(
        origin=origin,
        index=4711,
        meter="pv-main",
        slot=utc(2026, 5, 3, 1),
        words={"i:72": "461c4000"},
        decoded={"1.8.0": "10000.000"},
        leaf_hash=SHA,
        proof="c2sp.org/tlog-proof@v1\nindex 4711\n...",
    )
    why = (fault("audit.coverage_too_low", "seq 3", read=1, expected=15, least="0.5"),)
    fields: dict[str, Any] = {
        "crediting": crediting(),
        "versions": (PlanVersion(start=None, digest=SHA, plan=plan()),),
        "wired": (wired, replace(wired, meter="other", point="ELSEWHERE")),
        "logs": (log,),
        "quarantined": (Quarantined(origin=origin, start=NEW_YEAR, end=NEW_YEAR + 900_000, reasons=why),),
        "samples": (sample,),
        "seed": SHA,
        "entries": entries(),
        "journal_head": SHA,
        "journal_size": 12,
        "kept": frozenset({SHA}),
        "logged": {},
        "overdue": ("2026-07",),
        "software": "mrv-agent 0.1.0",
    }
    return Material(**fields | changes)
