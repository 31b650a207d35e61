"""States of views from the lake's tables: what is read again, and that it is what all days give."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.features.entity_state import entity_state, state_layout, views_with_state
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.labelled_events import labelled_events
from platform_assets.pipelines.online_states import states_of_view
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, FIRST_DAY, LABEL_SCHEMA, use_case, view_of

CASE = use_case()
DAYS = [FIRST_DAY + timedelta(days=n) for n in range(8)]
VIEWS = views_with_state(CASE)


def rows_of(day: date, amount: float = 10.0, count: int = 4) -> pl.DataFrame:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    number = (day - FIRST_DAY).days * 10
    rows = [(number + n, at + timedelta(hours=n), n % 2, n % 3, amount + n, day) for n in range(count)]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")


def labels_of(day: date, label: int = 0) -> pl.DataFrame:
    rows = [(key, at, label, day) for key, at in rows_of(day).select("payment_id", "paid_at").iter_rows()]
    return pl.DataFrame(rows, schema=LABEL_SCHEMA, orient="row")


def publish(
    catalog: Catalog, day: date, events: pl.DataFrame | None = None, labels: pl.DataFrame | None = None
) -> None:
    if events is not None:
        catalog.events.stored.write_partitions(events, day, day)
    if labels is not None:
        catalog.labels.stored.write_partitions(labels, day, day)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A week of payments, and labels of all days that can have them."""
    made = Catalog(CASE, Lake(str(tmp_path / "lake")))
    for day in DAYS[:7]:
        publish(made, day, rows_of(day), labels_of(day) if day <= DAYS[4] else None)
    return made


def kept(catalog: Catalog, at: date) -> dict[str, str]:
    """How the states of each view came about, once they were found to be what all days give, and kept."""
    told = {}
    for view in VIEWS:
        layout, made = state_layout(view, CASE), states_of_view(catalog, view, at)
        read = labelled_events if uses_label(view, CASE) else lambda c, *days: c.events.read(*days[:2])
        names = list(layout.list_types)
        expected = entity_state(view, CASE, read(catalog, FIRST_DAY, at - timedelta(days=1), at), at)
        rows: Any = expected.select(layout.entity_key, *names).explode(names)
        assert made.rows.equals(rows)
        assert [made.rows[n].to_numpy().tobytes() for n in names] == [rows[n].to_numpy().tobytes() for n in names]
        made.keep()
        told[str(view.name)] = made.how
    return told


def test_a_day_reads_itself_and_the_day_whose_labels_became_known(catalog: Catalog) -> None:
    assert kept(catalog, DAYS[7]) == {
        "card_activity": "rebuilt from 5 days: no events were kept before",
        "shop_risk": "rebuilt from 6 days: no events were kept before",
    }
    publish(catalog, DAYS[7], rows_of(DAYS[7]))
    publish(catalog, DAYS[5], labels=labels_of(DAYS[5], 1))
    publish(catalog, DAYS[6], labels=labels_of(DAYS[6], 1))
    assert kept(catalog, DAYS[7] + timedelta(days=1)) == {
        "card_activity": f"brought forward: 1 of 5 days read ({DAYS[7]})",
        "shop_risk": f"brought forward: 3 of 6 days read ({DAYS[5]} .. {DAYS[7]})",
    }


@pytest.mark.parametrize(
    ("what", "events", "labels", "cards", "shops"),
    [
        ("nothing", None, None, 0, 0),
        ("corrected", rows_of(DAYS[4], amount=11.5), None, 1, 1),
        ("deleted", rows_of(DAYS[4], count=2), None, 1, 1),
        ("late", rows_of(DAYS[4], count=6), None, 1, 1),
        ("the same rows again", rows_of(DAYS[4]), None, 1, 1),
        ("revised labels", None, labels_of(DAYS[4], 1), 0, 1),
    ],
)
def test_what_changed_since_is_read_again_and_nothing_else(
    catalog: Catalog, what: str, events: pl.DataFrame | None, labels: pl.DataFrame | None, cards: int, shops: int
) -> None:
    kept(catalog, DAYS[7])
    publish(catalog, DAYS[4], events, labels)
    told = kept(catalog, DAYS[7])
    read = {0: "brought forward: none of {} days changed", 1: f"brought forward: 1 of {{}} days read ({DAYS[4]})"}
    assert told == {"card_activity": read[cards].format(5), "shop_risk": read[shops].format(6)}, what


def test_without_the_kept_events_all_days_are_read_and_why_is_told(catalog: Catalog) -> None:
    kept(catalog, DAYS[7])
    file = Path(catalog.online_events_uri(view_of(CASE, "card_activity")))
    file.write_bytes(file.read_bytes()[:100])
    assert "rebuilt from 5 days: the events that were kept cannot be read" in kept(catalog, DAYS[7])["card_activity"]
    assert kept(catalog, DAYS[7])["card_activity"] == "brought forward: none of 5 days changed"
