"""Planted drift: each kind moves what it says and nothing else, from its day on."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from platform_assets.simulation.card_drift import DEFAULT_SIZES, DriftKind, PlantedDrift
from platform_assets.simulation.card_payments import CardPayments, CardPaymentsSettings
from platform_assets.simulation.generators import GeneratorError, load_generator

DAY = date(2018, 6, 1)
LAST = DAY + timedelta(days=6)
KINDS: tuple[DriftKind, ...] = ("covariate", "label", "concept", "upstream")


def rows(drift: PlantedDrift | None, first: date = DAY, last: date = LAST) -> pl.DataFrame:
    """Payments with their labels."""
    world = CardPayments(CardPaymentsSettings(customers=600, terminals=1_200, drift=drift))
    labels = world.read("labels", first, last).drop("transaction_time")
    return world.read("transactions", first, last).join(labels, on="transaction_id", how="left", maintain_order="left")


@pytest.fixture(scope="module")
def quiet() -> pl.DataFrame:
    return rows(None)


@pytest.mark.parametrize("kind", KINDS)
def test_before_its_day_the_world_is_the_same_to_the_bit(kind: DriftKind) -> None:
    first, last = DAY - timedelta(days=3), DAY - timedelta(days=1)
    assert rows(PlantedDrift(kind=kind, day=DAY), first, last).equals(rows(None, first, last))


@pytest.mark.parametrize("kind", KINDS)
def test_from_its_day_on_it_is_another_one_with_the_same_payments(kind: DriftKind, quiet: pl.DataFrame) -> None:
    moved = rows(PlantedDrift(kind=kind, day=DAY))
    payment = ["transaction_id", "transaction_time", "customer_id", "terminal_id"]
    assert moved.select(payment).equals(quiet.select(payment))
    assert not moved.equals(quiet)


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_with_drift_is_the_same_alone_and_inside_a_range(kind: DriftKind) -> None:
    drift, day = PlantedDrift(kind=kind, day=DAY), DAY + timedelta(days=2)
    assert rows(drift, day, day).equals(
        rows(drift, day - timedelta(days=4), LAST).filter(pl.col("transaction_time").dt.date() == day)
    )


def test_covariate_drift_raises_amounts_and_leaves_the_same_payments_fraudulent(quiet: pl.DataFrame) -> None:
    moved = rows(PlantedDrift(kind="covariate", day=DAY))
    assert moved["is_fraud"].equals(quiet["is_fraud"])
    assert moved["fraud_scenario"].equals(quiet["fraud_scenario"])
    assert np.median(moved["amount"] / quiet["amount"]) > 1.5
    drift = PlantedDrift(kind="covariate", day=DAY)
    assert drift.amounts(np.array([50.0, 0.0, 220.0, 300.0]), 220.0).tolist() == [90.0, 0.0, 220.0, 300.0]


def test_label_drift_raises_the_share_of_fraud_at_once(quiet: pl.DataFrame) -> None:
    moved = rows(PlantedDrift(kind="label", day=DAY), DAY, DAY)
    before = quiet.filter(pl.col("transaction_time").dt.date() == DAY)["is_fraud"].mean()
    assert isinstance(before, float)
    assert moved["is_fraud"].mean() > 2 * before  # type: ignore[operator]


def test_concept_drift_leaves_payments_and_the_number_of_frauds_and_moves_which_they_are(quiet: pl.DataFrame) -> None:
    moved = rows(PlantedDrift(kind="concept", day=DAY))
    assert moved["amount"].equals(quiet["amount"])
    assert moved["is_fraud"].sum() == quiet["is_fraud"].sum()
    assert moved.filter(pl.col("amount") > 220)["is_fraud"].mean() < 0.2  # type: ignore[operator]
    assert quiet.filter(pl.col("amount") > 220)["is_fraud"].mean() > 0.9  # type: ignore[operator]
    half = rows(PlantedDrift(kind="concept", day=DAY, size=0.5))
    shares = [frame.filter(pl.col("amount") > 220)["is_fraud"].mean() for frame in (moved, half, quiet)]
    assert shares == sorted(shares)  # type: ignore[type-var]


def test_upstream_drift_reports_cents_at_the_same_terminals_and_changes_no_label(quiet: pl.DataFrame) -> None:
    moved = rows(PlantedDrift(kind="upstream", day=DAY))
    assert moved["is_fraud"].equals(quiet["is_fraud"])
    factor = (moved["amount"] / quiet["amount"]).round(2)
    assert set(factor.drop_nans().unique()) == {1.0, 100.0}
    wrong = set(moved.filter(factor == 100.0)["terminal_id"])
    assert not wrong & set(moved.filter(factor == 1.0)["terminal_id"])


def test_settings_take_a_drift_as_json_and_name_what_cannot_be() -> None:
    settings = {"drift": {"kind": "concept", "day": "2018-06-01"}}
    world = load_generator("platform_assets.simulation.card_payments:CardPayments", settings)
    assert world.read("labels", DAY, DAY).height > 0
    with pytest.raises(GeneratorError, match=r"drift\.kind"):
        load_generator(
            "platform_assets.simulation.card_payments:CardPayments", {"drift": {"kind": "mood", "day": "2018-06-01"}}
        )
    with pytest.raises(ValidationError, match="at most 1"):
        PlantedDrift(kind="upstream", day=DAY, size=1.5)
    assert set(DEFAULT_SIZES) == set(KINDS)
