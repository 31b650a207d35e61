"""The simulated payments: reproducible day by day, and distributed as published."""

import hashlib
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from platform_assets.simulation.card_payments import CardPayments, CardPaymentsSettings
from platform_assets.simulation.generators import GeneratorError
from platform_assets.simulation.reach import TerminalsInReach

START = date(2018, 4, 1)
SMALL = {"customers": 60, "terminals": 120, "radius": 20.0}


def day(index: int) -> date:
    return START + timedelta(days=index)


def digest(frame: pl.DataFrame) -> str:
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()


@pytest.fixture(scope="module")
def world() -> CardPayments:
    """A world large enough for its distributions to show."""
    return CardPayments(CardPaymentsSettings(customers=1_000, terminals=2_000))


@pytest.fixture(scope="module")
def transactions(world: CardPayments) -> pl.DataFrame:
    return world.read("transactions", day(0), day(59))


@pytest.fixture(scope="module")
def labels(world: CardPayments) -> pl.DataFrame:
    return world.read("labels", day(0), day(59))


@given(
    first=st.integers(0, 40),
    before=st.integers(0, 5),
    after=st.integers(0, 5),
    table=st.sampled_from(["transactions", "labels"]),
)
@settings(max_examples=25, deadline=None)
def test_a_day_is_the_same_alone_and_inside_any_range(first: int, before: int, after: int, table: str) -> None:
    alone = CardPayments(CardPaymentsSettings(**SMALL)).read(table, day(first), day(first))
    around = CardPayments(CardPaymentsSettings(**SMALL)).read(table, day(first - before), day(first + after))
    assert alone.equals(around.filter(pl.col("transaction_time").dt.date() == day(first)))


def test_a_fresh_process_makes_the_same_bytes() -> None:
    program = (
        "import hashlib; from datetime import date;"
        "from platform_assets.simulation.card_payments import CardPayments, CardPaymentsSettings;"
        f"world = CardPayments(CardPaymentsSettings(**{SMALL!r}));"
        "[print(hashlib.sha256(world.read(t, date(2018, 5, 1), date(2018, 5, 2)).write_csv().encode()).hexdigest())"
        " for t in world.tables]"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    world = CardPayments(CardPaymentsSettings(**SMALL))
    world.read("labels", day(0), day(50))
    assert there == [digest(world.read(table, date(2018, 5, 1), date(2018, 5, 2))) for table in world.tables]


def test_the_bytes_are_the_ones_earlier_data_sets_were_made_of() -> None:
    payments = CardPayments(CardPaymentsSettings(**SMALL)).read("transactions", day(30), day(30))
    assert payments.height == 134
    assert payments.row(0) == (300_000_000, datetime(2018, 5, 1, 0, 24, 2, tzinfo=UTC), 16, 40, 5.41)


def test_another_seed_is_another_world() -> None:
    one, other = (CardPayments(CardPaymentsSettings(seed=seed, **SMALL)) for seed in (0, 1))
    for table in one.tables:
        assert not one.read(table, day(0), day(3)).equals(other.read(table, day(0), day(3)))


def test_columns_and_types(world: CardPayments) -> None:
    time = pl.Datetime("us", "UTC")
    position = {"x": pl.Float64, "y": pl.Float64}
    profile = dict.fromkeys(["mean_amount", "std_amount", "mean_transactions_per_day"], pl.Float64)
    key = {"transaction_id": pl.Int64, "transaction_time": time}
    payment = {"customer_id": pl.Int64, "terminal_id": pl.Int64, "amount": pl.Float64}
    expected = {
        "customers": {"customer_id": pl.Int64, **position, **profile},
        "terminals": {"terminal_id": pl.Int64, **position},
        "transactions": {**key, **payment},
        "labels": {**key, "is_fraud": pl.Int8, "fraud_scenario": pl.Int8},
    }
    assert tuple(expected) == world.tables
    for table, schema in expected.items():
        assert dict(world.read(table, day(0), day(0)).schema) == schema
        assert dict(world.read(table, day(-9), day(-8)).schema) == schema


def test_ids_and_order(transactions: pl.DataFrame, labels: pl.DataFrame) -> None:
    assert transactions["transaction_id"].is_unique().all()
    assert transactions.sort("transaction_time", "transaction_id").equals(transactions)
    assert transactions.select("transaction_id", "transaction_time").equals(
        labels.select("transaction_id", "transaction_time")
    )
    of_day_7 = transactions.filter(pl.col("transaction_time").dt.date() == day(7))["transaction_id"]
    assert of_day_7.to_list() == list(range(70_000_000, 70_000_000 + len(of_day_7)))


def test_static_tables_ignore_the_days(world: CardPayments) -> None:
    assert world.read("customers", day(3), day(3)).equals(world.read("customers", None, None))
    assert world.read("terminals", None, None).height == 2_000


def test_days_before_the_start_are_empty_and_the_start_is_the_default(world: CardPayments) -> None:
    assert world.read("transactions", day(-5), day(-1)).is_empty()
    assert world.read("transactions", None, day(1)).equals(world.read("transactions", day(-3), day(1)))


@pytest.mark.parametrize(
    ("table", "first", "last", "message"),
    [
        ("payments", None, None, "no table 'payments'; it has customers, terminals, transactions, labels"),
        ("labels", START, None, "give last_day"),
        ("labels", day(2), day(1), "last_day 2018-04-02 lies before first_day 2018-04-03"),
    ],
)
def test_bad_requests_are_refused(
    world: CardPayments, table: str, first: date | None, last: date | None, message: str
) -> None:
    with pytest.raises(GeneratorError, match=message):
        world.read(table, first, last)


@pytest.mark.parametrize("bad", [{"customers": 2}, {"terminals": 1}, {"radius": 0}, {"seed": -1}, {"days": 3}])
def test_settings_out_of_bounds_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CardPaymentsSettings.model_validate(bad)


def test_only_labels_arrive_late() -> None:
    world = CardPayments(CardPaymentsSettings(label_delay_days=5))
    assert [world.arrival_delay_days(table) for table in world.tables] == [0, 0, 0, 5]


def test_profiles_fill_their_published_bounds(world: CardPayments) -> None:
    people = world.read("customers", None, None)
    for column, low, high in [
        ("x", 0, 100),
        ("y", 0, 100),
        ("mean_amount", 5, 100),
        ("mean_transactions_per_day", 0, 4),
    ]:
        scaled = np.sort((people[column].to_numpy() - low) / (high - low))
        steps = np.arange(1, len(scaled) + 1) / len(scaled)
        assert np.abs(scaled - steps).max() < 1.95 / np.sqrt(len(scaled))  # Kolmogorov-Smirnov, p = 0.001
    assert np.allclose(people["std_amount"], people["mean_amount"] / 2)


def test_customers_pay_at_their_published_rate(world: CardPayments, transactions: pl.DataFrame) -> None:
    people = world.read("customers", None, None)
    counted = people.join(transactions.group_by("customer_id").len(), on="customer_id", how="left")
    within_the_day = 0.96922  # P(0 < N(43200, 20000) < 86400)
    expected = counted["mean_transactions_per_day"].to_numpy() * 60 * within_the_day
    scores = (counted["len"].fill_null(0).to_numpy() - expected) / np.sqrt(expected)
    assert abs(scores.mean()) < 0.15
    assert 0.9 < scores.std() < 1.1  # a Poisson count has the variance of its mean


def test_payments_stay_within_the_radius(world: CardPayments, transactions: pl.DataFrame) -> None:
    there = transactions.join(world.read("customers", None, None), on="customer_id").join(
        world.read("terminals", None, None), on="terminal_id", suffix="_terminal"
    )
    distance = ((there["x"] - there["x_terminal"]) ** 2 + (there["y"] - there["y_terminal"]) ** 2).sqrt()
    assert distance.max() < 5.0
    assert distance.median() == pytest.approx(5.0 / np.sqrt(2.0), rel=0.05)  # uniform over the disc


def test_time_of_day_is_normal_around_noon(transactions: pl.DataFrame) -> None:
    seconds = (transactions["transaction_time"] - transactions["transaction_time"].dt.truncate("1d")).dt.total_seconds()
    assert seconds.min() > 0
    assert seconds.max() < 86_400
    assert seconds.mean() == pytest.approx(43_200, abs=300)
    assert seconds.std() == pytest.approx(18_350, rel=0.02)  # of the truncated normal


def test_amounts_follow_the_profile(world: CardPayments, transactions: pl.DataFrame, labels: pl.DataFrame) -> None:
    honest = transactions.filter(labels["fraud_scenario"] != 3).join(
        world.read("customers", None, None), on="customer_id"
    )
    relative = honest["amount"] / honest["mean_amount"]
    assert honest["amount"].min() >= 0
    assert honest["amount"].equals(honest["amount"].round(2))
    # Negative draws of N(1, 1/2), 2.275 % of all, are replaced by U(0, 2).
    assert relative.mean() == pytest.approx(0.97725 * 1.02762 + 0.02275, abs=0.01)
    assert (relative < 0.5).mean() == pytest.approx(0.15866 - 0.02275 + 0.02275 / 4, abs=0.01)


def test_scenarios_are_what_they_say(transactions: pl.DataFrame, labels: pl.DataFrame) -> None:
    both = transactions.join(labels.drop("transaction_time"), on="transaction_id")
    assert (both["is_fraud"] == (both["fraud_scenario"] > 0)).all()
    assert both.filter(pl.col("fraud_scenario") == 1)["amount"].min() > 220
    assert both.filter(pl.col("fraud_scenario") == 0)["amount"].max() <= 220
    stolen = both.filter(pl.col("fraud_scenario") == 3)
    assert (stolen["amount"] * 20).round(6).equals((stolen["amount"] * 20).round(0))  # five times whole cents


def test_a_compromised_terminal_is_all_fraud_for_28_days_and_a_card_for_a_third_of_14_days() -> None:
    world = CardPayments(CardPaymentsSettings(customers=2_000, terminals=4_000))
    both = world.read("transactions", day(0), day(89)).with_columns(
        world.read("labels", day(0), day(89))["fraud_scenario"],
        pl.col("transaction_time").dt.date().alias("day"),
    )
    bad_terminals = (
        both.filter(pl.col("fraud_scenario") == 2)
        .group_by("terminal_id")
        .agg(pl.col("day").min().alias("first"), pl.col("day").max().alias("last"))
    )
    spans = (bad_terminals["last"] - bad_terminals["first"]).dt.total_days() + 1
    assert (spans <= 28).mean() > 0.85  # the rest were drawn more than once
    within = both.join(bad_terminals, on="terminal_id").filter(
        pl.col("day").is_between("first", "last") & ((pl.col("last") - pl.col("first")).dt.total_days() < 28)
    )
    assert (within["fraud_scenario"] >= 2).all()
    bad_cards = (
        both.filter(pl.col("fraud_scenario") == 3)
        .group_by("customer_id")
        .agg(pl.col("day").min().alias("first"), pl.col("day").max().alias("last"))
    )
    assert ((bad_cards["last"] - bad_cards["first"]).dt.total_days() + 1 <= 14).mean() > 0.8
    expected = 3 * 14 * 2.0 * 0.96922 / 3.0  # per day: customers, days, payments, a third
    steady = both.filter(pl.col("day") >= day(14)).filter(pl.col("fraud_scenario") == 3).height / 76
    assert steady == pytest.approx(expected, rel=0.1)


def test_compromise_begins_empty_and_is_full_after_28_days(world: CardPayments) -> None:
    assert [len(world._compromised_terminals(index)) for index in (0, 1, 26, 27, 28, 100)] == [2, 4, 54, 56, 56, 56]
    assert [len(world._compromised_customers(index)) for index in (0, 1, 12, 13, 14, 100)] == [1, 2, 13, 14, 14, 14]
    assert set(world._compromised_terminals(27)) - set(world._compromised_terminals(28))


def test_fraud_is_as_rare_as_published_at_the_published_scale() -> None:
    labels = CardPayments(CardPaymentsSettings()).read("labels", day(60), day(79))
    assert labels.height / 20 == pytest.approx(1_754_155 / 183, rel=0.03)
    shares = labels["fraud_scenario"].value_counts(normalize=True).sort("fraud_scenario")["proportion"].to_list()
    # The book's counts over 183 days; scenario 2 and 3 are a little denser once the first 28 days are over.
    assert shares[1] == pytest.approx(973 / 1_754_155, rel=0.3)
    assert shares[2] == pytest.approx(9_077 / 1_754_155 * 183 / 169.5, rel=0.2)
    assert shares[3] == pytest.approx(4_631 / 1_754_155 * 183 / 176.5, rel=0.2)


@given(
    seed=st.integers(0, 10_000),
    customers=st.integers(1, 12),
    terminals=st.integers(1, 60),
    radius=st.one_of(st.floats(1e-9, 1), st.floats(0.5, 150)),
)
@settings(max_examples=80, deadline=None)
def test_who_is_within_reach_equals_the_pairwise_distances_in_order_of_x(
    seed: int, customers: int, terminals: int, radius: float
) -> None:
    rng = np.random.default_rng(seed)
    people = {"x": rng.uniform(0, 100, customers), "y": rng.uniform(0, 100, customers)}
    places = {"x": rng.uniform(0, 100, terminals), "y": rng.uniform(0, 100, terminals)}
    reach = TerminalsInReach(people, places, radius, 100.0)
    by_x = np.argsort(places["x"], kind="stable")
    for i in range(customers):
        near = (places["x"] - people["x"][i]) ** 2 + (places["y"] - people["y"][i]) ** 2 < radius**2
        expected = [terminal for terminal in by_x if near[terminal]]
        assert reach.counts[i] == len(expected)
        assert reach.at(np.full(len(expected), i), np.arange(len(expected))).tolist() == expected


def test_customers_without_a_terminal_in_reach_do_not_pay() -> None:
    world = CardPayments(CardPaymentsSettings(customers=50, terminals=2, radius=3.0))
    payers = world.read("transactions", day(0), day(19))["customer_id"].unique()
    people, places = world.read("customers", None, None), world.read("terminals", None, None)
    squared = (people["x"].to_numpy()[:, None] - places["x"].to_numpy()) ** 2 + (
        people["y"].to_numpy()[:, None] - places["y"].to_numpy()
    ) ** 2
    assert set(payers) <= set(np.flatnonzero((squared < 9.0).any(axis=1)).tolist())


def test_the_default_world_is_the_same_to_the_bit() -> None:
    world, digest = CardPayments(CardPaymentsSettings()), hashlib.sha256()
    for table in world.tables:
        for column in world.read(table, day(0), day(4)):
            digest.update(column.to_physical().to_numpy().tobytes())
    assert digest.hexdigest() == "84bdcb2f8dccabeee1ac4c0149b3121c7eb1613bd9515742ac0bedf4d4154684"


def test_what_is_kept_grows_with_the_world_and_not_with_its_square() -> None:
    sizes = [
        CardPayments(CardPaymentsSettings(customers=100 * scale, terminals=200 * scale))._reach.nbytes
        for scale in (1, 10, 100)
    ]
    assert sizes[1] < 10 * sizes[0]
    assert sizes[2] < 10 * sizes[1]


def test_the_reach_is_searched_once_for_a_world_that_is_read_day_by_day() -> None:
    settings_ = CardPaymentsSettings(seed=77, customers=20, terminals=50)
    first = CardPayments(settings_)._reach
    assert CardPayments(settings_.model_copy(update={"label_delay_days": 3}))._reach is first
    assert CardPayments(settings_.model_copy(update={"seed": 78}))._reach is not first
