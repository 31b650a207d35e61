"""The tree of a busy entity's events: the kernel's values to the bit, few pages read, and no reader misled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.features.entity_state import EntityEvents, StateEvent
from platform_assets.features.errors import StateError
from platform_assets.features.online.tiles.building import build
from platform_assets.features.online.tiles.numbers import REUSE_AFTER
from platform_assets.features.online.tiles.pages import TreeLayout
from platform_assets.features.online.tiles.places import Bound
from platform_assets.features.online.tiles.tree import TRIM_EVERY, EventTree, TreeMoved
from platform_assets.features.online.tiles.windows import TreeWindows
from platform_assets.testing.busy_histories import PagesInMemory, differences, layouts

LAYOUTS = layouts()
SMALL = TreeLayout(LAYOUTS[0], leaf_events=3, fan_out=2)
MINUTE = 60_000_000


def event(number: int, value: float = 1.0) -> StateEvent:
    return StateEvent(number * MINUTE, (number,), (value,) * len(LAYOUTS[0].plan.values))


def history(count: int) -> EntityEvents:
    numbers = np.arange(count, dtype=np.int64)
    return EntityEvents(numbers * MINUTE, (numbers.tolist(),), np.ones((len(LAYOUTS[0].plan.values), count)))


def stored(count: int, layout: TreeLayout = SMALL) -> tuple[bytes, PagesInMemory]:
    pages = PagesInMemory()
    return pages.store(build(history(count), layout)), pages


def times(tree: EventTree) -> list[int]:
    return [time for part in tree.events(Bound(-1), Bound(2**62)) for time in part.times.tolist()]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    view=st.sampled_from(LAYOUTS),
    leaf=st.sampled_from([1, 2, 3, 5, 64]),
    fan_out=st.sampled_from([2, 3, 5, 32]),
    codes=st.sampled_from([1, 3, 64]),
    events=st.integers(1, 40),
)
def test_it_gives_the_kernel_s_values_to_the_bit_whatever_comes_is_corrected_or_deleted(
    seed: int, view: object, leaf: int, fan_out: int, codes: int, events: int
) -> None:
    layout = TreeLayout(view, leaf, fan_out, codes)  # type: ignore[arg-type]
    assert differences(layout, np.random.default_rng(seed), events=events, changes=4) == 0


def test_a_look_up_reads_a_path_for_each_edge_in_as_many_round_trips_as_the_tree_has_levels() -> None:
    layout = TreeLayout(LAYOUTS[0])
    root, pages = stored(100_000, layout)
    tree = EventTree(root, layout, 7, pages)
    TreeWindows(layout.state.plan, layout.summaries).values(tree, event(100_000))
    assert pages.round_trips == tree.root.height == 3
    assert tree.bytes_read < 200_000 < 100_000 * 8


def test_a_record_writes_one_path() -> None:
    layout = TreeLayout(LAYOUTS[0])
    root, pages = stored(100_010, layout)
    tree = EventTree(root, layout, 7, pages)
    assert tree.put(event(100_010))
    assert len(tree.write().pages) == tree.root.height


def test_an_event_that_is_there_changes_nothing() -> None:
    root, pages = stored(20)
    tree = EventTree(root, SMALL, 7, pages)
    assert not tree.put(event(7, 9.0))
    assert not tree.write().pages


def test_the_last_event_stays() -> None:
    root, pages = stored(2)
    tree = EventTree(root, SMALL, 7, pages)
    assert tree.remove(event(0).identity)
    assert not tree.remove(event(1).identity)
    assert times(EventTree(pages.store(tree.write()), SMALL, 7, pages)) == [MINUTE]


def test_a_writer_that_dies_before_the_root_leaves_the_tree_as_it_was() -> None:
    root, pages = stored(50)
    tree = EventTree(root, SMALL, 7, pages)
    for number in range(50, 60):
        tree.put(event(number))
    pages.store(tree.write())  # the root is lost
    assert len(times(EventTree(root, SMALL, 7, pages))) == 50
    again = EventTree(root, SMALL, 7, pages)
    again.put(event(99))
    assert len(times(EventTree(pages.store(again.write()), SMALL, 7, pages))) == 51


def test_a_reader_with_an_old_root_sees_the_old_tree_or_is_sent_back_to_the_new_one() -> None:
    root, pages = stored(50)
    newest = root
    for number in range(50, 50 + REUSE_AFTER):
        tree = EventTree(newest, SMALL, 7, pages)
        tree.put(event(number))
        newest = pages.store(tree.write())
    assert len(times(EventTree(root, SMALL, 7, pages))) == 50
    for number in range(100, 200):
        tree = EventTree(newest, SMALL, 7, pages)
        tree.put(event(number))
        newest = pages.store(tree.write())
    with pytest.raises(TreeMoved):
        times(EventTree(root, SMALL, 7, pages))


def test_numbers_of_pages_are_used_again() -> None:
    root, pages = stored(50)
    for number in range(50, 400):
        tree = EventTree(root, SMALL, 7, pages)
        tree.put(event(number))
        tree.drop_before((number - 50) * MINUTE)
        root = pages.store(tree.write())
    assert len(times(EventTree(root, SMALL, 7, pages))) < 50 + 8 * TRIM_EVERY
    assert len(pages.pages) < 500


def test_old_leaves_leave_and_what_windows_reach_stays() -> None:
    root, pages = stored(300)
    for number in range(300, 500):
        tree = EventTree(root, SMALL, 7, pages)
        tree.put(event(number))
        tree.drop_before(250 * MINUTE)
        root = pages.store(tree.write())
    left = times(EventTree(root, SMALL, 7, pages))
    assert 247 * MINUTE <= left[0] <= 250 * MINUTE
    assert left[-250:] == [number * MINUTE for number in range(250, 500)]


@pytest.mark.parametrize("lost", ["gone", "damaged"])
def test_a_lost_page_names_the_entity(lost: str) -> None:
    root, pages = stored(50)
    for number, data in pages.pages.items():
        pages.pages[number] = data[:-1] + bytes([data[-1] ^ 1])
    if lost == "gone":
        pages.pages.clear()
    with pytest.raises(StateError, match=r"card_id=7 .* materialize the online store asset again"):
        times(EventTree(root, SMALL, 7, pages))


def test_a_tree_built_anew_gives_the_numbers_of_the_one_before_back() -> None:
    root, pages = stored(200)
    for _ in range(2 * REUSE_AFTER + 2):
        root = pages.store(build(history(200), SMALL, EventTree(root, SMALL, 7, pages).root))
    assert len(times(EventTree(root, SMALL, 7, pages))) == 200
    assert max(pages.pages) < 200 * (REUSE_AFTER + 2)
