"""Which requests fetch a set of values: as few as the device's limits allow.

Pure arithmetic on addresses; it opens nothing and knows no protocol. A *need* is a stretch of registers that must
arrive in one reply: a value with its scale register, an atomic group, a factor, or a block that is answered only as a
whole. Profiles come as the meter needs them read (`Profile.adapted`), `base` is what turns their addresses into the
wire's (`Settings.shift`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mrv.errors import BadInput, fault
from mrv.profile import TABLES, Limits, Profile, Span, Stretch, Table

#: One past the last register a request can reach.
END = 65536


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """Registers [first, end) of `table` in one reply; `alone` admits no other register and leaves none out."""

    table: Table
    first: int
    end: int
    alone: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One request."""

    table: Table
    first: int
    count: int

    @property
    def end(self) -> int:
        return self.first + self.count


@dataclass(frozen=True, slots=True)
class _Device:
    """The limits as wire addresses. `whole` are the blocks no shared request may touch."""

    limits: Limits
    forbidden: tuple[Need, ...]
    windows: tuple[Need, ...] = ()
    whole: tuple[Need, ...] = ()

    def around(self, first: int, end: int) -> tuple[int, int]:
        """[first, end) widened to the alignment."""
        align = self.limits.align
        return first - first % align, end + -end % align

    def possible(self, table: Table, first: int, end: int) -> bool:
        """Whether the device would answer one request for [first, end)."""
        if not 0 <= first < end <= END or end - first > self.limits.registers:
            return False
        if any(_touches(stretch, table, first, end) for stretch in self.forbidden):
            return False
        crossed = (w for w in self.windows if _touches(w, table, first, end) and (first < w.first or end > w.end))
        return not any(crossed)

    def allows(self, table: Table, first: int, end: int, wanted: Iterable[Need]) -> bool:
        """Whether one shared request may be [first, end), of which `wanted` is worth having."""
        if not self.possible(table, first, end) or any(_touches(w, table, first, end) for w in self.whole):
            return False
        return _widest_gap(first, end, wanted) <= self.limits.gap


def _touches(stretch: Need, table: Table, first: int, end: int) -> bool:
    return stretch.table == table and stretch.first < end and first < stretch.end


def _device(limits: Limits, base: int) -> _Device:
    def placed(stretches: tuple[Stretch, ...]) -> tuple[Need, ...]:
        return tuple(Need(TABLES[s.table], base + s.first, base + s.last + 1, alone=True) for s in stretches)

    return _Device(limits, placed(limits.forbidden), placed(limits.windows), placed(limits.whole))


def _widest_gap(first: int, end: int, wanted: Iterable[Need]) -> int:
    """The longest run of registers between two needs that no need covers."""
    inside = sorted(need for need in wanted if need.first < end and first < need.end)
    widest, reached = 0, inside[0].end if inside else end
    for need in inside:
        widest = max(widest, need.first - reached)
        reached = max(reached, need.end)
    return widest


def needs(profile: Profile, names: Iterable[str], base: int = 0) -> tuple[Need, ...]:
    """What must be fetched for the values `names`, their factors and the guards, at wire addresses, sorted."""
    wanted = set(names)
    groups = [{name for name in group if name in wanted} for group in profile.atomic]
    grouped = set().union(*groups)
    groups += [{name} for name in wanted - grouped]
    found = {_need(profile, group, base) for group in groups if group}
    single = (*profile.guard_spans(), *profile.factor_spans(tuple(wanted)))
    found |= {Need(span.table, base + span.at, base + span.end) for span in single}
    return _as_wholes(found, _device(profile.limits, base))


def _need(profile: Profile, group: set[str], base: int) -> Need:
    spans: list[Span] = [span for name in group for span in profile.spans(name)]
    alone = any(profile.values[name].alone for name in group)
    first, end = min(span.at for span in spans), max(span.end for span in spans)
    return Need(spans[0].table, base + first, base + end, alone)


def _as_wholes(found: Iterable[Need], device: _Device) -> tuple[Need, ...]:
    """`found`, with what lies within a block that is only answered as a whole replaced by that block."""
    around = ((next((w for w in device.whole if _holds(w, need)), need)) for need in found)
    return tuple(sorted(set(around)))


def plan(profile: Profile, names: Iterable[str], base: int = 0) -> tuple[Block, ...]:
    """The fewest requests for the values `names`. Raises BadInput for a need no single request can meet."""
    return cover(needs(profile, names, base), profile.limits, base)


def fetch(profile: Profile, span: Span, base: int = 0) -> Block:
    """The one request for registers that are no values, identity and settings; `span` has wire addresses.

    Each is asked for by itself, for one that a model refuses must not take others along. Alignment is a rule of the
    profile's own table: settings in the other one may be single registers (Eastron). Raises BadInput like `plan`.
    """
    device, need = _device(profile.limits, base), Need(span.table, span.at, span.end)
    (need,) = _as_wholes((need,), device)
    if span.table == TABLES[profile.table] and not need.alone:
        first, end = device.around(need.first, need.end)
        need = Need(need.table, first, end)
    part = any(_touches(w, need.table, need.first, need.end) and w != need for w in device.whole)
    if part or not device.possible(need.table, need.first, need.end):
        raise _unreadable(need)
    return Block(need.table, need.first, need.end - need.first)


def cover(wanted: Iterable[Need], limits: Limits, base: int = 0) -> tuple[Block, ...]:
    """The fewest blocks such that every need lies wholly inside one.

    Greedy from the left is optimal: some block must hold the leftmost need; cut to begin there it stays allowed, and
    of those that begin there the one reaching furthest holds everything a shorter one does. The stretches in `limits`
    are offsets from `base`.
    """
    device = _device(limits, base)
    everything = sorted(set(wanted))
    blocks = [_alone(device, need) for need in everything if need.alone]
    pending = [need for need in everything if not need.alone]
    while pending:
        block = _furthest(device, pending[0], [n for n in everything if n.table == pending[0].table and not n.alone])
        blocks.append(block)
        pending = [need for need in pending if not _holds(block, need)]
    return tuple(sorted(blocks))


def _holds(block: Block | Need, need: Need) -> bool:
    return block.table == need.table and block.first <= need.first and need.end <= block.end


def _alone(device: _Device, need: Need) -> Block:
    span = need.table, need.first, need.end
    if device.around(need.first, need.end) != (need.first, need.end):
        raise _unreadable(need)
    part = any(_touches(w, *span) and (w.first, w.end) != span[1:] for w in device.whole)
    if part or not device.possible(*span):
        raise _unreadable(need)
    return Block(need.table, need.first, need.end - need.first)


def _furthest(device: _Device, leftmost: Need, wanted: list[Need]) -> Block:
    for first, end in _candidates(device, leftmost, wanted):
        if device.allows(leftmost.table, first, end, wanted):
            return Block(leftmost.table, first, end - first)
    raise _unreadable(leftmost)


def _candidates(device: _Device, leftmost: Need, wanted: list[Need]) -> Iterator[tuple[int, int]]:
    ends = {need.end for need in wanted if need.first >= leftmost.first and need.end >= leftmost.end}
    for end in sorted(ends, reverse=True):
        yield device.around(leftmost.first, end)


def _unreadable(need: Need) -> BadInput:
    return BadInput(fault("meter.not_in_one_request", table=need.table, first=need.first, count=need.end - need.first))
