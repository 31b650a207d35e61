"""From files to a declaration: right types, key, time and label, every guess marked, and plain words for bad data."""

import gzip
import re
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from platform_assets.cli.console import console
from platform_assets.cli.init import looking_at, write_proposal
from platform_assets.connectors.access import Access
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.loader import DeclarationError, declared_use_cases
from platform_assets.onboarding.facts import OnboardingError, look_at, look_at_database
from platform_assets.onboarding.guesses import guess
from platform_assets.onboarding.proposal import MARK
from platform_assets.simulation.bike_demand import RENTALS, BikeDemand, BikeDemandSettings
from platform_assets.simulation.card_payments import CardPayments, CardPaymentsSettings

FIRST, LAST = date(2018, 4, 1), date(2018, 5, 20)


@pytest.fixture(scope="module")
def payments() -> pl.DataFrame:
    world = CardPayments(CardPaymentsSettings(customers=60, terminals=90))
    labels = world.read("labels", FIRST, LAST).select("transaction_id", "is_fraud", "fraud_scenario")
    return world.read("transactions", FIRST, LAST).join(labels, on="transaction_id")


def proposed(tmp_path: Path, frame: pl.DataFrame, label: str | None = None, name: str = "data.csv") -> UseCase:
    path = tmp_path / name
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return load_use_case(write_proposal("payments", partial(look_at, str(path)), label, False, tmp_path / "defs"))


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_card_payments_get_their_types_key_time_label_and_entities(
    tmp_path: Path, payments: pl.DataFrame, name: str
) -> None:
    use_case = proposed(tmp_path, payments, name=name)
    source = use_case.event_source
    assert {column.name: column.type for column in source.columns} == {
        "transaction_id": "int64",
        "transaction_time": "datetime",
        "customer_id": "int64",
        "terminal_id": "int64",
        "amount": "float64",
        "is_fraud": "int8",
        "fraud_scenario": "int64",
    }
    assert source.primary_key == ("transaction_id",)
    assert source.event_time == "transaction_time"
    assert use_case.label.column == "is_fraud"
    assert use_case.training.task == "binary"
    assert {entity.key for entity in use_case.entities} == {"customer_id", "terminal_id"}
    assert (use_case.history.first_day, use_case.history.last_day) == (FIRST, LAST)


def test_a_column_that_knows_the_label_is_no_feature_and_in_no_request(tmp_path: Path, payments: pl.DataFrame) -> None:
    use_case = proposed(tmp_path, payments)
    assert "fraud_scenario" not in use_case.feature_names
    assert "fraud_scenario" not in use_case.serving.request
    text = (tmp_path / "defs" / "payments" / "defs.yaml").read_text()
    assert "# guess: fraud_scenario is left out: knows the label is_fraud" in text


def test_every_guess_is_marked(tmp_path: Path, payments: pl.DataFrame) -> None:
    proposed(tmp_path, payments)
    text = (tmp_path / "defs" / "payments" / "defs.yaml").read_text()
    for field in (
        "description: What is predicted",
        "description: What one row",
        "owner:",
        "history:",
        "primary_key:",
        "event_time:",
        "label:",
        "splits:",
        "request:",
    ):
        lines = [line for line in text.splitlines() if line.strip().startswith(field)]
        assert lines, field
        assert all(MARK in line for line in lines), field


def test_a_regression_on_a_folder_of_files(tmp_path: Path) -> None:
    rentals = BikeDemand(BikeDemandSettings()).read(RENTALS, FIRST, LAST)
    for (month,), part in rentals.group_by(pl.col("starts_at").dt.month()):
        part.write_csv(tmp_path / f"{month}.csv")
    use_case = load_use_case(
        write_proposal("rides", partial(look_at, str(tmp_path)), "rentals", False, tmp_path / "defs")
    )
    assert use_case.training.task == "regression"
    assert use_case.event_source.primary_key == ("hour_id",)
    assert use_case.training.select_by == "rmse"


def some_rows(rows: int = 400) -> pl.DataFrame:
    random = np.random.default_rng(0)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "visit": [f"V{i}" for i in range(rows)],
            "seen_at": [start + timedelta(hours=2 * i) for i in range(rows)],
            "ward": random.choice(["north", "south", "west"], rows).tolist(),
            "note": ["a longer text about what was said that day, number " + str(i) for i in range(rows)],
            "pulse": [None if i % 50 == 0 else float(v) for i, v in enumerate(random.normal(70, 9, rows).round(1))],
            "is_back": random.integers(0, 2, rows).tolist(),
        }
    )


def test_nulls_categories_and_free_text_are_seen(tmp_path: Path) -> None:
    use_case = proposed(tmp_path, some_rows())
    source = use_case.event_source
    assert source.column("pulse").nullable
    assert source.column("ward").allowed == ("north", "south", "west")
    assert "note" not in use_case.feature_names
    assert "free text" in (tmp_path / "defs" / "payments" / "defs.yaml").read_text()


def test_a_few_cells_that_do_not_fit_do_not_change_the_type(tmp_path: Path) -> None:
    frame = some_rows(2000).with_columns(pl.col("pulse").cast(pl.String))
    frame = frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("fast")).otherwise("pulse").alias("pulse")
    )
    path = tmp_path / "data.csv"
    frame.write_csv(path)
    facts = look_at(str(path)).column("pulse")
    assert (facts.type, facts.misfits) == ("float64", 1)


def test_without_a_label_the_file_says_what_to_fill_in(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    some_rows().drop("is_back").write_csv(path)
    target = write_proposal("visits", partial(look_at, str(path)), None, False, tmp_path / "defs")
    assert "To do: no column is certain to be the label" in target.read_text()


def test_one_class_is_told(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    some_rows().with_columns(pl.lit(0).alias("is_back")).write_csv(path)
    assert "has one value only (0)" in "; ".join(guess(look_at(str(path))).problems)


def test_two_columns_may_be_the_key(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    some_rows().with_columns(pl.lit(1).alias("clinic_id")).drop("visit", "note").write_csv(path)
    assert len(guess(look_at(str(path))).key[0]) == 2


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(some_rows().write_csv().encode()))
    assert look_at(str(path)).frame.height == 400


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not even a header"),
        ("a,b\n", "no rows"),
        ("at,v\n2026-01-01T00:00:00Z,\x81\n", "not UTF-8"),
    ],
)
def test_bad_data_is_told_plainly(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(OnboardingError, match=says):
        write_proposal("bad", partial(look_at, str(path)), None, False, tmp_path / "defs")
    assert not (tmp_path / "defs").exists(), "nothing is written"


@pytest.mark.parametrize(
    ("text", "says", "marks"),
    [
        pytest.param("a,b\n1,2\n", "no column is a time", "event_time: change_me", id="no time"),
        pytest.param(
            "at,v\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,1\n",
            "bring more days",
            "primary_key: [row_id]",
            id="no key",
        ),
        pytest.param(
            "id,at\n1,02/01/2026 10:00\n2,01/02/2026 11:00\n",
            r"at looks like a time \(02/01/2026 10:00\), whose days and months may be exchanged",
            "event_time: change_me",
            id="days or months",
        ),
    ],
)
def test_what_is_known_is_written_and_the_rest_is_to_do(tmp_path: Path, text: str, says: str, marks: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    with console.capture() as screen:
        target = write_proposal("half", partial(look_at, str(path)), None, False, tmp_path / "defs")
    printed = " ".join(screen.get().split())
    written = target.read_text()
    assert re.search(says, written.split("type: platform_assets.MlUseCase")[0])
    assert marks in written
    assert "it does not load yet" in printed
    with pytest.raises(DeclarationError):
        load_use_case(target)


def test_numbers_below_zero_infinite_ones_and_none_at_all(tmp_path: Path) -> None:
    rows = 400
    frame = some_rows(rows).with_columns(
        balance=pl.Series([float(i - 200) for i in range(rows)]),
        loss=pl.Series([-1.0 - i for i in range(rows)]),
        ratio=pl.Series([float("inf") if i == 3 else float("nan") if i == 4 else i / 7 for i in range(rows)]),
        views=pl.Series([i * 10**7 for i in range(rows)]),
        tiny=pl.Series([i * 1e-12 for i in range(rows)]),
        nothing=pl.Series([None] * rows, dtype=pl.Int64),
    )
    source = proposed(tmp_path, frame, name="data.parquet").event_source
    limits = {name: (source.column(name).minimum, source.column(name).maximum) for name in frame.columns[6:]}
    assert limits == {
        "balance": (None, None),
        "loss": (None, 0),
        "ratio": (0, None),
        "views": (0, None),
        "tiny": (0, None),
        "nothing": (None, None),
    }
    assert source.column("nothing").nullable


def test_names_that_are_words_of_yaml_or_sql(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    words = ("on", "no", "null", "order", "select", "hour_of_day_utc")
    frame = some_rows().with_columns(pl.Series(word, random.normal(size=400)) for word in words)
    use_case = proposed(tmp_path, frame)
    assert set(words) <= set(use_case.event_source.column_names)
    assert {"on", "no", "null_value", "order_value", "select_value", "hour_of_day_utc"} <= set(use_case.feature_names)


def test_digits_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    frame = some_rows().with_columns(postcode=pl.Series([f"{i:05d}" for i in range(400)]))
    assert proposed(tmp_path, frame).event_source.column("postcode").type == "string"


def test_times_without_zone_and_days_are_told(tmp_path: Path) -> None:
    frame = some_rows()
    for column, says in (
        (pl.col("seen_at").dt.strftime("%Y-%m-%d %H:%M:%S"), "no zone is written"),
        (pl.col("seen_at").dt.strftime("%Y-%m-%d"), "days only"),
        (pl.col("seen_at").dt.date(), "days only"),
    ):
        use_case = proposed(tmp_path, frame.with_columns(column.alias("seen_at")), name="data.parquet")
        assert use_case.event_source.event_time == "seen_at"
        assert says in (tmp_path / "defs" / "payments" / "defs.yaml").read_text()
        (tmp_path / "defs" / "payments" / "defs.yaml").unlink()


def test_a_row_delivered_twice_does_not_hide_the_key(tmp_path: Path) -> None:
    frame = some_rows(2000).rename({"visit": "visit_id"})
    use_case = proposed(tmp_path, pl.concat([frame, frame.head(1)]))
    assert use_case.event_source.primary_key == ("visit_id",)
    assert "1 of 2,001 rows are there twice as a whole" in (tmp_path / "defs" / "payments" / "defs.yaml").read_text()


def test_yes_and_no_are_a_label_of_booleans(tmp_path: Path) -> None:
    use_case = proposed(tmp_path, some_rows().with_columns(is_back=pl.Series(["yes", "no"] * 200)))
    assert use_case.label.column == "is_back"
    assert use_case.event_source.column("is_back").type == "bool"


BUNDLED = [
    pytest.param(declared, source.name, id=f"{declared.name}-{source.name}")
    for declared in (use.use_case for use in declared_use_cases())
    for source in declared.sources
    if source.event_time is not None
]


@pytest.mark.parametrize(("declared", "table"), BUNDLED)
def test_bundled_data_is_recognised(tmp_path: Path, declared: UseCase, table: str) -> None:
    """Written to CSV, types, key and event time are those that were declared by hand."""
    source = declared.source(table)
    world = {
        "card_fraud": CardPayments(CardPaymentsSettings(customers=60, terminals=90)),
        "bike_demand": BikeDemand(BikeDemandSettings()),
    }[declared.name]
    path = tmp_path / "data.csv"
    world.read(table, FIRST, LAST).select(source.column_names).write_csv(path)
    found = look_at(str(path))
    guesses = guess(found)
    assert guesses.key[0] == source.primary_key
    assert guesses.event_time.value == source.event_time
    narrow = {"int8": "int64", "int32": "int64"}
    assert {facts.name: facts.type for facts in found.columns} == {
        column.name: narrow.get(column.type, column.type) for column in source.columns
    }


def test_every_line_that_was_not_given_is_marked(tmp_path: Path, payments: pl.DataFrame) -> None:
    proposed(tmp_path, payments)
    lines = (tmp_path / "defs" / "payments" / "defs.yaml").read_text().splitlines()
    kept = (
        "type:", "attributes:", "name: payments", "sources:", "- name:", "description: What is known", "connector:",
        "columns:", "events:", "entities:", "features:", "rows:", "entity:", "windows:", "training:", "- {name: constant",
        "- {name: linear", "- {name: xgboost", "serving:", "monitoring:", "#",
    )  # fmt: skip
    unmarked = [line.strip() for line in lines if line.strip() and MARK not in line]
    assert [line for line in unmarked if not line.startswith(kept)] == []


def test_nothing_there_other_endings_and_other_columns(tmp_path: Path) -> None:
    with pytest.raises(OnboardingError, match="there is no file at"):
        look_at(str(tmp_path / "nowhere"))
    (tmp_path / "data.xlsx").write_text("x")
    with pytest.raises(OnboardingError, match=r"end in \.xlsx"):
        look_at(str(tmp_path / "data.xlsx"))
    (tmp_path / "one.csv").write_text("a\n1\n")
    (tmp_path / "two.csv").write_text("b\n1\n")
    with pytest.raises(OnboardingError, match=r"two\.csv has the columns b"):
        look_at(str(tmp_path / "*.csv"))


def test_a_declaration_is_never_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    some_rows().write_csv(path)
    target = write_proposal("visits", partial(look_at, str(path)), None, False, tmp_path / "defs")
    target.write_text("mine")
    with pytest.raises(OnboardingError, match="--force"):
        write_proposal("visits", partial(look_at, str(path)), None, False, tmp_path / "defs")
    assert target.read_text() == "mine"
    write_proposal("visits", partial(look_at, str(path)), None, True, tmp_path / "defs")
    assert target.read_text() != "mine"


def test_a_table_of_a_database(tmp_path: Path) -> None:
    path = tmp_path / "ward.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    some_rows().with_columns(pl.col("seen_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_pandas().to_sql(
        "visits", engine, index=False
    )
    engine.dispose()
    look = partial(look_at_database, "WARD", "visits", Access(variables={"WARD": f"sqlite:///{path}"}))
    target = write_proposal("visits", look, None, False, tmp_path / "defs")
    use_case = load_use_case(target)
    assert use_case.event_source.connector.kind == "sql"
    assert use_case.event_source.event_time == "seen_at"
    assert use_case.label.column == "is_back"
    assert str(path) not in target.read_text(), "the address stays in the environment"


def test_files_or_a_database_but_not_both() -> None:
    for options in ((None, None, None), ("a.csv", "WARD", "visits"), (None, "WARD", None)):
        with pytest.raises(OnboardingError, match="say where the data is"):
            looking_at(*options)


def test_a_few_texts_are_found_as_classes_and_written_down(tmp_path: Path) -> None:
    rows, classes = 600, ["billing", "how to", "outage"]
    random = np.random.default_rng(3)
    place = random.integers(0, 3, rows)
    frame = pl.DataFrame(
        {
            "ticket_id": np.arange(rows),
            "opened_at": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(rows)],
            "length": random.normal(100 + 40 * place, 30).round(1),
            "closed_by": [f"team {k}" for k in place],
            "outcome": [classes[k] for k in place],
        }
    )
    use_case = proposed(tmp_path, frame)
    assert (use_case.training.task, use_case.classes) == ("multiclass", tuple(classes))
    assert use_case.training.select_by == use_case.monitoring.quality_metric == "balanced_accuracy"
    assert use_case.serving.decision is None
    assert use_case.feature_names[:1] == ("length",)
    assert not {"closed_by", "outcome"} & {*use_case.serving.request}, "who closed it gives the class away"
