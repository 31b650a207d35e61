"""Quality of features: sound ones pass, and each planted fault is named on the feature that has it."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.quality.plot import plot_feature_quality
from platform_assets.features.quality.profiles import FeatureProfile, FeatureQuality, feature_quality, sees_the_future
from platform_assets.pipelines.profile_features import instability
from platform_assets_tests.unit.features.histories import use_case, view_of

CASE = use_case()
ROWS, DAYS = 3_000, 10
FIRST = date(2024, 2, 26)


def training_rows(seed: int = 0) -> pl.DataFrame:
    """Features of which each says a little about a label that one row in five carries."""
    rng = np.random.default_rng(seed)
    y = (rng.random(ROWS) < 0.2).astype(np.int8)
    days = np.sort(rng.integers(0, DAYS, ROWS))
    features = {name: rng.normal(size=ROWS) + 0.3 * place * y for place, name in enumerate(CASE.feature_names[:6])}
    features |= {name: rng.normal(size=ROWS) for name in CASE.feature_names[6:]}
    return pl.DataFrame(
        {
            "payment_id": range(ROWS),
            "paid_at": [datetime(2024, 2, 26, tzinfo=UTC) + timedelta(days=int(day)) for day in days],
            **features,
            "is_bad": y,
            "event_day": [FIRST + timedelta(days=int(day)) for day in days],
        }
    )


def quality(rows: pl.DataFrame, **more: object) -> FeatureQuality:
    settings = {"instability": instability, "period_days": 2, "largest_score": 0.98, **more}
    return feature_quality(rows, CASE, **settings)  # type: ignore[arg-type]


def profile(found: FeatureQuality, name: str) -> FeatureProfile:
    return next(item for item in found.features if item.feature == name)


def test_sound_features_have_a_profile_and_no_finding() -> None:
    rows = training_rows().with_columns(
        pl.when(pl.col("payment_id") % 4 == 0).then(None).otherwise("card_sum_1d").alias("card_sum_1d")
    )
    found = quality(rows)
    assert [item.feature for item in found.features] == list(CASE.feature_names)
    assert (found.rows, found.of_rows, len(found.periods)) == (ROWS, ROWS, 5)
    assert found.questionable == ()
    item, values = profile(found, "card_sum_1d"), rows["card_sum_1d"].drop_nulls()
    assert (item.missing_ratio, item.distinct) == (0.25, values.n_unique())
    assert (item.minimum, item.median, item.maximum) == (values.min(), values.median(), values.max())
    weak, strong = (profile(found, CASE.feature_names[place]) for place in (0, 5))
    assert weak.single_feature_score is not None
    assert strong.single_feature_score is not None
    assert weak.single_feature_score < 0.6 < strong.single_feature_score < 0.9
    assert strong.correlation is not None
    assert strong.correlation > 0.3


def test_a_feature_that_is_the_label_in_disguise_is_named() -> None:
    rng = np.random.default_rng(1)
    y = pl.col("is_bad").cast(pl.Float64)
    disguised = training_rows().with_columns((y + pl.Series(rng.normal(size=ROWS)) * 0.01).alias("shop_count_1d"))
    found = quality(disguised)
    (leak,) = found.leaking
    assert leak.feature == "shop_count_1d"
    assert "from 0.98 on it is taken to know it" in leak.findings[0]
    assert quality(disguised, largest_score=1.0).leaking[0].findings[0].endswith("0.000") is False


def test_a_feature_that_says_far_more_than_any_other_is_named_below_the_bound() -> None:
    rng = np.random.default_rng(2)
    noisy = (pl.col("is_bad").cast(pl.Float64) * 3.6 + pl.Series(rng.normal(size=ROWS))).alias("shop_count_1d")
    weak = training_rows().with_columns(pl.Series(name, rng.normal(size=ROWS)) for name in CASE.feature_names[:6])
    (leak,) = quality(weak.with_columns(noisy), largest_score=1.0).leaking
    assert leak.feature == "shop_count_1d"
    assert "far above the next feature's" in leak.findings[0]
    twins = weak.with_columns(noisy, noisy.alias("shop_count_3d") + pl.Series(rng.normal(size=ROWS)) * 0.3)
    assert quality(twins, largest_score=1.0).leaking == (), "two features that are strong alike may well be"


def test_a_code_that_gives_the_label_away_without_order_is_named() -> None:
    """Correlation sees nothing here: even codes are bad, odd ones good."""
    rng = np.random.default_rng(3)
    code = (pl.Series(rng.integers(0, 4, ROWS)) * 2 + pl.col("is_bad")).cast(pl.Float64).alias("card_min_3d")
    item = profile(quality(training_rows().with_columns(code)), "card_min_3d")
    assert item.leaks
    assert item.correlation is not None
    assert abs(item.correlation) < 0.3


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("card_sum_1d", pl.lit(5.0), "has a single value"),
        ("card_sum_1d", pl.lit(None, pl.Float64), "has no value at all"),
        ("card_sum_1d", pl.when(pl.col("payment_id") % 50 == 0).then("card_sum_1d"), "is missing in 98.0% of the rows"),
        (
            "card_sum_1d",
            pl.col("card_sum_1d") + 2 * (pl.col("event_day") > date(2024, 3, 1)),
            "moves between periods: PSI",
        ),
        ("card_sum_1d", pl.col("card_sum_3d") * 3, "says the same as card_sum_3d: rank correlation 1.0000"),
        ("card_sum_1d", -pl.col("card_sum_3d"), "says the same as card_sum_3d: rank correlation -1.0000"),
    ],
)
def test_an_odd_feature_is_named_and_does_not_leak(name: str, value: pl.Expr, finding: str) -> None:
    found = quality(training_rows().with_columns(value.alias(name)))
    item = profile(found, name)
    assert any(finding in words for words in item.findings), item.findings
    assert not item.leaks
    assert {other.feature for other in found.questionable} <= {name, "card_sum_3d"}


def test_a_rare_flag_and_how_long_it_has_been_set_do_not_say_the_same_but_two_such_flags_do() -> None:
    rare = pl.col("payment_id") % 200 == 0
    flag = pl.when(rare).then(1.0).otherwise(0.0).alias("card_sum_1d")
    days = pl.when(rare).then(pl.col("payment_id") % 7 + 1.0).otherwise(0.0).alias("card_sum_3d")
    told = quality(training_rows().with_columns(flag, days))
    assert not any(
        "says the same" in words for name in ("card_sum_1d", "card_sum_3d") for words in profile(told, name).findings
    )
    twins = quality(training_rows().with_columns(flag, (flag * 3).alias("card_sum_3d")))
    assert any("says the same as card_sum_3d" in words for words in profile(twins, "card_sum_1d").findings)


def test_a_regression_is_judged_by_the_variance_explained() -> None:
    training = CASE.training.model_dump() | {
        "task": "regression",
        "learners": [{"name": "constant", "kind": "constant", "baseline": True}, {"name": "ridge", "kind": "ridge"}],
        "metrics": ["rmse"],
        "select_by": "rmse",
    }
    label = {"name": "is_bad", "type": "float64", "description": "amount lost"}
    sources = [CASE.sources[0].model_dump(), CASE.sources[1].model_dump()]
    sources[1]["columns"] = [*sources[1]["columns"][:2], label]
    serving = CASE.serving.model_dump() | {"decision": None}
    document = CASE.model_dump() | {"training": training, "sources": sources, "serving": serving}
    regression = UseCase.model_validate(document | {"monitoring": {"quality_metric": "rmse"}})
    rng = np.random.default_rng(4)
    rows = training_rows().with_columns(pl.Series("is_bad", rng.normal(size=ROWS)))
    known = rows.with_columns((pl.col("is_bad") * 2 + 1).alias("shop_count_1d"))
    settings = {"instability": instability, "period_days": 2, "largest_score": 0.98}
    assert feature_quality(rows, regression, **settings).leaking == ()  # type: ignore[arg-type]
    (leak,) = feature_quality(known, regression, **settings).leaking  # type: ignore[arg-type]
    assert (leak.feature, leak.findings[0].count("share of variance explained")) == ("shop_count_1d", 1)


def test_rows_that_cannot_be_judged_are_told() -> None:
    with pytest.raises(FeatureError, match=r"no row has a label"):
        quality(training_rows().with_columns(pl.lit(None, pl.Int8).alias("is_bad")))
    with pytest.raises(FeatureError, match=r"lack columns \['card_sum_1d'\]"):
        quality(training_rows().drop("card_sum_1d"))
    one_class = quality(training_rows().with_columns(pl.lit(0, pl.Int8).alias("is_bad")))
    assert {item.single_feature_score for item in one_class.features} == {None}


def test_the_same_rows_in_another_order_give_the_same_sample_and_the_picture_is_drawn() -> None:
    rows = training_rows()
    one, two = (quality(frame, sample_rows=500) for frame in (rows, rows.sample(fraction=1, shuffle=True, seed=5)))
    assert one.features == two.features
    assert (one.rows, one.of_rows) == (500, ROWS)
    assert plot_feature_quality(one, 0.98, binary=True).startswith(b"\x89PNG")


def payments() -> pl.DataFrame:
    times = [datetime(2024, 2, 26, tzinfo=UTC) + timedelta(hours=6 * n) for n in range(20)]
    rows = {"payment_id": range(20), "paid_at": times, "card_id": [1] * 20, "shop_id": [1] * 20}
    return pl.DataFrame(
        {**rows, "amount": [float(n) for n in range(20)], "is_bad": [n % 2 for n in range(20)]},
        schema_overrides={"is_bad": pl.Int8},
    ).with_columns(pl.col("paid_at").cast(pl.Datetime("us", "UTC")), pl.col("paid_at").dt.date().alias("event_day"))


MOMENT = datetime(2024, 2, 29, 14, tzinfo=UTC)


@pytest.mark.parametrize("view", CASE.features, ids=lambda view: view.name)
def test_the_engine_does_not_see_the_future(view: FeatureView) -> None:
    assert sees_the_future(view, CASE, payments(), MOMENT) == {}


def test_a_feature_that_reads_later_rows_is_named_with_both_values() -> None:
    def centred(view: FeatureView, case: UseCase, events: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
        whole = events.with_columns(pl.col("amount").mean().over("card_id").alias("card_mean_1d"))
        computed = compute_view(view, case, events, first, last)
        return computed.update(whole.select("payment_id", "card_mean_1d"), on="payment_id")

    found = sees_the_future(view_of(CASE, "card_activity"), CASE, payments(), MOMENT, centred)
    assert list(found) == ["card_mean_1d"]
    assert "in 3 of 3 rows: {'payment_id': 12} has 9.5 with the future and 7.0 without" in found["card_mean_1d"]
    judged = profile(quality(training_rows(), future=found), "card_mean_1d")
    assert judged.leaks
    assert judged.findings == (found["card_mean_1d"],)
