"""Random histories of busy entities, and the tree of their events beside the kernel over all of them.

Belongs here: generating histories and changes to them, pages in memory, and counting differences. Does not belong here: anything that
makes a value (`features/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from platform_assets.declaration import UseCase
from platform_assets.features.entity_state import EntityEvents, StateEvent, StateLayout, no_events, state_layout
from platform_assets.features.online.request_windows import window_values
from platform_assets.features.online.tiles.building import build
from platform_assets.features.online.tiles.pages import TreeLayout
from platform_assets.features.online.tiles.places import Bound
from platform_assets.features.online.tiles.tree import EventTree, TreeVersion
from platform_assets.features.online.tiles.windows import TreeWindows
from platform_assets.testing.declare import declaration, window
from platform_assets.testing.payments import MIDNIGHT, rich_case, view_of

_BEGIN = int(MIDNIGHT.timestamp()) * 1_000_000
_HOUR = 3_600_000_000


@dataclass
class PagesInMemory:
    """Pages of one entity; what is asked for is counted."""

    pages: dict[int, bytes] = field(default_factory=dict)
    round_trips: int = 0

    def read(self, numbers: Sequence[int]) -> list[bytes | None]:
        """The pages with these numbers."""
        self.round_trips += 1
        return [self.pages.get(number) for number in numbers]

    def store(self, written: TreeVersion) -> bytes:
        """Keep what was written; the root is given back."""
        self.pages.update(written.pages)
        return written.root


def layouts() -> list[StateLayout]:
    """Every aggregate with filters, lengths, delays and resolutions; and whole days of a zone with days of 23 and 25 hours."""
    rich = rich_case()
    days = {"resolution": "day", "delay_days": 1}
    windows = [window(f"{name}_day", name, "amount", [2], **days) for name in ("sum", "std", "min", "last")]
    windows += [window("sum_exact", "sum", "amount", [1, 3]), window("since", "seconds_since_last", "amount", [5])]
    document = declaration(
        events={"sale": "int64", "at": "datetime", "shop": "int32", "amount": "float64?"},
        label="late",
        features=[{"name": "shop_activity", "entity": "shop", "windows": windows}],
        label_source={"time_zone": "America/Chicago"},
        entities=[{"name": "shop", "key": "shop"}],
    )
    document["sources"][0]["time_zone"] = "America/Chicago"
    local = UseCase.model_validate(document)
    views = [view for view in rich.features if view.windows]
    return [state_layout(view_of(rich, view.name), rich) for view in views] + [state_layout(local.features[0], local)]


def differences(layout: TreeLayout, rng: np.random.Generator, *, events: int, changes: int) -> int:
    """How many features differ, in any bit, between a tree and the kernel, over a random history that is built, changed and read.

    Args:
        layout: of the pages; any sizes.
        rng: what the history is drawn from.
        events: of the history at first.
        changes: events that come, late ones among them, are corrected, or deleted.
    """
    state, wide = layout.state, bool(rng.random() < 0.3)
    history = no_events(state)
    for _ in range(max(events, 1)):
        history = history.add(_event(state, rng, wide))[0]
    pages = PagesInMemory()
    root = pages.store(build(history, layout))
    wrong = 0
    for change in range(changes + 1):
        wrong += _differing(layout, root, pages, history, _asked(history, state, rng, wide))
        if change == changes:
            break
        tree = EventTree(root, layout, "an entity", pages)
        for _ in range(int(rng.integers(1, 4))):
            history = _changed(tree, history, state, rng, wide)
        root = pages.store(tree.write())
        if rng.random() < 0.1:
            root = pages.store(build(history, layout, EventTree(root, layout, "an entity", pages).root))
    tree = EventTree(root, layout, "an entity", pages)
    stored = list(tree.events(*_everything(history)))
    return wrong + (sum(len(part) for part in stored) != len(history)) + (len(tree) != len(history))


def _everything(history: EntityEvents) -> tuple[Bound, Bound]:
    return Bound(int(history.times[0]) - 1), Bound(int(history.times[-1]))


def _differing(
    layout: TreeLayout, root: bytes, pages: PagesInMemory, history: EntityEvents, asked: Sequence[StateEvent]
) -> int:
    windows, wrong = TreeWindows(layout.state.plan, layout.summaries), 0
    for own in asked:
        expected = window_values(layout.state, history, own)
        found = windows.values(EventTree(root, layout, "an entity", pages), own)
        same = (found.view(np.int64) == expected.view(np.int64)) | (np.isnan(found) & np.isnan(expected))
        wrong += int((~same).sum())
    return wrong


def _asked(history: EntityEvents, state: StateLayout, rng: np.random.Generator, wide: bool) -> list[StateEvent]:
    position = int(rng.integers(len(history)))
    key = tuple(column[position] for column in history.keys)
    there = StateEvent(int(history.times[position]), key, _event(state, rng, wide).values)
    latest = StateEvent(int(history.times[-1]) + int(rng.integers(0, _HOUR)), (2**40,), _event(state, rng, wide).values)
    return [_event(state, rng, wide), there, latest]


def _changed(
    tree: EventTree, history: EntityEvents, state: StateLayout, rng: np.random.Generator, wide: bool
) -> EntityEvents:
    """One change of tree and history alike."""
    kind, position = rng.random(), int(rng.integers(len(history)))
    key = tuple(column[position] for column in history.keys)
    event = _event(state, rng, wide)
    if kind < 0.2:
        event = StateEvent(int(history.times[position]), key, event.values)
        tree.put(event, replacing=True)
        return history.without(position).add(event)[0]
    if kind < 0.4:
        if len(history) > 1:
            tree.remove((int(history.times[position]), key))
            return history.without(position)
        return history
    if kind < 0.7:
        event = StateEvent(int(history.times[-1]) + int(rng.integers(0, _HOUR)), event.key, event.values)
    tree.put(event)
    return history.add(event)[0]


def _event(state: StateLayout, rng: np.random.Generator, wide: bool) -> StateEvent:
    """An event at a coarse time, so that ties and edges are common."""
    time = (
        _BEGIN + int(rng.integers(0, 12 * 24 * 2)) * (_HOUR // 2) + int(rng.integers(0, 2)) * int(rng.integers(_HOUR))
    )
    return StateEvent(time, (int(rng.integers(2**40)),), tuple(_value(rng, wide) for _ in state.plan.values))


def _value(rng: np.random.Generator, wide: bool) -> float:
    kind = rng.random()
    if kind < 0.1:
        return float("nan")
    if kind < 0.3:
        return float(rng.choice([0.1, 0.2, 0.3, 1.0, 0.0, -0.0]))
    if wide and kind < 0.5:
        return float(rng.choice([1e-30, 1e30, -1e30, 1e200, 1e-200, 5e-324, 3e16, float("inf")], p=_SHARES))
    return float(np.round(rng.lognormal(3, 1), 2)) * (-1.0 if kind > 0.95 else 1.0)


_SHARES = [0.25, 0.2, 0.2, 0.05, 0.1, 0.1, 0.09, 0.01]
