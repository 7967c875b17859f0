"""What a scenario's misfortunes do to one exchange on the wire: from what a person wrote to what `faults` can do.

Only those between meter and gateway are here; what happens in a meter is `history` (numbers) and `meter` (registers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drivers.simulator import faults
from drivers.simulator import misfortune as m
from drivers.simulator.faults import Fault

_ON_WIRE: Mapping[type[m.Once], Callable[[Any], Fault]] = {
    m.Late: lambda fault: faults.Late(m.seconds(fault.delay)),
    m.SlowGateway: lambda fault: faults.Late(m.seconds(fault.delay)),
    m.Silent: lambda _: faults.Silent(),
    m.Busy: lambda fault: faults.Refuses(fault.code),
    m.Refuses: lambda fault: faults.Refuses(fault.code),
    m.Crc: lambda _: faults.BadSeal(),
    m.Short: lambda fault: faults.Short(fault.missing),
    m.Cut: lambda fault: faults.Truncated(fault.size),
    m.WrongUnit: lambda fault: faults.WrongUnit(fault.unit),
    m.Doubled: lambda fault: faults.Doubled(m.seconds(fault.gap)),
    m.HangsUp: lambda _: faults.HangsUp(),
}


def on_wire(active: Iterable[m.Once], t: float, turnaround: float = 0.0) -> Fault:
    """All that happens to one exchange at `t` of a meter that takes `turnaround` seconds to answer."""
    met = [_ON_WIRE[type(fault)](fault) for fault in active if type(fault) in _ON_WIRE]
    nights = [fault.how for fault in active if isinstance(fault, m.Asleep) and t < fault.end]
    met += [faults.Silent() for how in nights if how == "silent"] + [
        faults.Refuses(4) for how in nights if how == "exception"
    ]
    if turnaround:
        met.insert(0, faults.Late(turnaround))
    return faults.Together(tuple(met))
