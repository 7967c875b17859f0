"""The plants that exist ready-made: the demo's, and a load of any number of meters for the benchmarks."""

from __future__ import annotations

from drivers.simulator.curve import Curve
from drivers.simulator.plant import Clock, Device, Plant
from mrv.binding import Settings
from mrv.measurand import Measurand

SDM630 = "eastron_sdm630"
#: "SunS" at 40000, the common model (66 registers) at 40002, so the inverter's model id stands here.
INVERTER_BASE = 40070
#: What the cable between inverter and meter loses.
CABLE = 0.012


def demo(clock: Clock) -> Plant:
    """A 500 kWp roof credited by an SDM630, its inverter as cross-check, and a chiller credited by another SDM630.

    The PV meter looks from the grid: generation counts as export, with negative power. The inverter shows the same
    power as positive, because it speaks of what it delivers.
    """
    roof = Curve(shape="pv", peak=480_000, seed=1)
    return Plant(
        name="demo",
        clock=clock,
        devices=(
            Device(
                name="pv-meter",
                bus="a",
                unit=1,
                profile=SDM630,
                curve=roof,
                counts=Measurand.ACTIVE_ENERGY_EXPORT,
                opening=12_345.678,
                power_factor=0.99,
                sign=-1.0,
            ),
            Device(
                name="pv-inverter",
                bus="a",
                unit=3,
                profile="sunspec_inverter_3p",
                curve=roof,
                settings=Settings(base=INVERTER_BASE),
                share=1 / (1 - CABLE),
                counts=Measurand.ACTIVE_ENERGY_EXPORT,
                opening=12_493.21,
                power_factor=0.99,
            ),
            Device(
                name="chiller-meter",
                bus="b",
                unit=1,
                profile=SDM630,
                curve=Curve(shape="chiller", peak=420_000, seed=2),
                opening=8_765.432,
                power_factor=0.87,
            ),
        ),
    )


def load(clock: Clock, meters: int) -> Plant:
    """`meters` SDM630 on two buses, each with a load of its own."""
    return Plant(
        name="load",
        clock=clock,
        devices=tuple(
            Device(
                name=f"load-{index + 1:02}",
                bus="ab"[index % 2],
                unit=index // 2 + 1,
                profile=SDM630,
                curve=Curve(shape="chiller", peak=60_000 + 7_000 * index, seed=100 + index),
                opening=1_000.0 + 37.5 * index,
            )
            for index in range(meters)
        ),
    )
