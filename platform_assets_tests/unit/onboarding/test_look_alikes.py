"""Tables that look like those of public data sets: `init` declares each in YAML alone, and guesses nothing that is not there."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from platform_assets.cli.init import write_proposal
from platform_assets.connectors.access import Access
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.reading import read_source
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.delivered_columns import UNCAST
from platform_assets.onboarding import facts
from platform_assets.onboarding.facts import OnboardingError, look_at, look_at_database
from platform_assets.onboarding.naming import declared_names
from platform_assets.testing.public_shapes import SHAPES, Shape, bicycles, census, recidivism, taxis


def proposed(
    tmp_path: Path, frame: pl.DataFrame, label: str | None = None, name: str = "data.csv"
) -> tuple[UseCase, str]:
    path = tmp_path / name
    frame.write_parquet(path) if path.suffix == ".pq" else frame.write_csv(path)
    target = write_proposal("shape", partial(look_at, str(path)), label, True, tmp_path / "defs")
    return load_use_case(target), target.read_text()


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
@pytest.mark.parametrize("name", ["data.csv", "data.pq"])
def test_the_proposal_loads_and_every_row_passes_it(tmp_path: Path, shape: Shape, name: str) -> None:
    frame = shape.rows()
    use_case, _ = proposed(tmp_path, frame, shape.label, name)
    source, history = use_case.event_source, use_case.history
    assert history.last_day is not None
    rows = read_source(
        source, tmp_path, history.first_day, history.last_day + timedelta(days=1)
    )  # with a day that was cut
    found = conform(rows, source)
    assert found.frame.height == frame.height
    assert found.frame[UNCAST].null_count() == frame.height
    assert found.extra_columns == ()
    assert source.event_time is not None
    assert found.frame[source.event_time].null_count() == 0
    assert found.frame.select(source.primary_key).is_unique().all()
    assert use_case.label.column == shape.declared_label


def test_a_day_and_an_hour_make_the_event_time_and_parts_of_the_label_are_left_out(tmp_path: Path) -> None:
    use_case, text = proposed(tmp_path, bicycles(), "cnt")
    column = use_case.event_source.column("event_time")
    assert (column.delivered_as, column.format) == (("dteday", "hr"), ("%Y-%m-%d %H",))
    assert {"casual", "registered"}.isdisjoint({*use_case.feature_names, *use_case.serving.request})
    assert "casual is left out: knows the label cnt together with registered" in text
    assert use_case.gates.plausible
    assert use_case.entities == ()


@pytest.mark.parametrize("label", [None, "nothing"])
def test_a_flag_of_the_calendar_is_no_target(tmp_path: Path, label: str | None) -> None:
    frame = bicycles().select("instant", "dteday", "hr", "yr", "holiday", "workingday", "temp")
    path = tmp_path / "data.csv"
    frame.write_csv(path)
    if label is not None:
        with pytest.raises(OnboardingError, match="there is no column 'nothing'"):
            write_proposal("shape", partial(look_at, str(path)), label, True, tmp_path / "defs")
        return
    text = write_proposal("shape", partial(look_at, str(path)), None, True, tmp_path / "defs").read_text()
    assert "label: {source: events, column: change_me}" in text


def test_two_words_are_a_label_and_hyphens_are_delivered_names(tmp_path: Path) -> None:
    use_case, text = proposed(tmp_path, census())
    income = use_case.event_source.column("income")
    assert (income.type, income.true_values, income.false_values) == ("int8", (">50K",), ("<=50K",))
    assert use_case.event_source.column("hours_per_week").delivered_as == ("hours-per-week",)
    assert "1 is >50K, the rarer of the two texts" in text
    assert use_case.event_source.primary_key == ("row_id",)
    assert use_case.event_source.column("survey_date").format == ("%d/%m/%Y",)


def test_a_code_is_no_entity_and_no_limit_comes_from_a_power_of_ten(tmp_path: Path) -> None:
    use_case, _ = proposed(tmp_path, taxis(), "Tip Amount ($)")
    assert {entity.key for entity in use_case.entities} <= {"pu_location_id"}
    assert all(column.maximum is None for column in use_case.event_source.columns)
    assert use_case.event_source.column("extra_value").delivered_as == ("extra",)


def test_another_models_score_is_called_so(tmp_path: Path) -> None:
    use_case, text = proposed(tmp_path, recidivism())
    assert "decile_score is left out: this column is another model's score" in text
    assert {"decile_score", "score_text"}.isdisjoint({*use_case.feature_names, *use_case.serving.request})
    assert use_case.label.column == "is_recid"


def test_the_span_is_that_of_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    rows = pl.DataFrame(
        {"visit": range(5000), "at": [start + timedelta(hours=i) for i in range(5000)], "has_paid": [0, 1] * 2500}
    )
    (tmp_path / "in").mkdir()
    for part in range(4):
        rows.slice(part * 1250, 1250).write_csv(tmp_path / "in" / f"{part}.csv")
    monkeypatch.setattr(facts, "MAX_ROWS", 700)
    use_case = load_use_case(
        write_proposal("shape", partial(look_at, str(tmp_path / "in")), None, False, tmp_path / "defs")
    )
    assert (use_case.history.first_day, use_case.history.last_day) == (
        date(2020, 1, 1),
        (start + timedelta(hours=4999)).date(),
    )
    assert "evenly from more" in (tmp_path / "defs" / "shape" / "defs.yaml").read_text()


FORMATS: list[tuple[Callable[[datetime], object], str]] = [
    (lambda t: int(t.timestamp()), "epoch_seconds"),
    (lambda t: int(t.timestamp() * 1000), "epoch_milliseconds"),
    (lambda t: t.strftime("%d.%m.%Y %H:%M"), "%d.%m.%Y %H:%M"),
    (lambda t: t.strftime("%m/%d/%Y %I:%M %p"), "%m/%d/%Y %I:%M %p"),
    (lambda t: int(t.strftime("%Y%m%d")), "%Y%m%d"),
    (lambda t: t.strftime("%d-%b-%Y"), "%d-%b-%Y"),
]


@pytest.mark.parametrize(("write", "form"), FORMATS, ids=[form for _, form in FORMATS])
def test_the_format_of_times_is_recognised(tmp_path: Path, write: Callable[[datetime], object], form: str) -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=7 * i) for i in range(300)]
    frame = pl.DataFrame({"visit": range(300), "day": [write(t) for t in times], "has_paid": [0, 1, 1] * 100})
    use_case, _ = proposed(tmp_path, frame)
    assert use_case.event_source.column("day").format == (form,)
    assert (use_case.history.first_day, use_case.history.last_day) == (times[0].date(), times[-1].date())


def test_year_and_month_make_a_time(tmp_path: Path) -> None:
    months = [(year, month) for year in range(2015, 2025) for month in range(1, 13)]
    frame = pl.DataFrame(
        {"Year": [y for y, _ in months], "Month": [m for _, m in months], "target": np.arange(120) * 1.5}
    )
    use_case, _ = proposed(tmp_path, frame)
    assert use_case.event_source.column("event_time").delivered_as == ("Year", "Month")
    assert (use_case.history.first_day, use_case.history.last_day) == (date(2015, 1, 1), date(2024, 12, 1))


def test_names_are_declared_as_they_read() -> None:
    delivered = ["VendorID", "extra", "Net Amount (EUR)", "Größe", "A", "a", "名前", "2nd", "customerID", "event_day"]
    names = [
        "vendor_id",
        "extra_value",
        "net_amount_eur",
        "grosse",
        "a_2",
        "a",
        "column_7",
        "column_2nd",
        "customer_id",
        "event_day_value",
    ]
    assert list(declared_names(delivered).values()) == names


@pytest.mark.parametrize(("sign", "type_"), [("?", "int64"), ("NA", "float64"), ("-", "int64")])
def test_a_sign_for_no_value_does_not_make_numbers_text(tmp_path: Path, sign: str, type_: str) -> None:
    numbers = [str(i) if type_ == "int64" else f"{i}.5" for i in range(200)]
    cells = [sign if i % 10 == 0 else number for i, number in enumerate(numbers)]
    times = [datetime(2026, 1, 1) + timedelta(hours=7 * i) for i in range(200)]
    frame = pl.DataFrame({"visit": range(200), "at": times, "horse_power": cells, "has_paid": [0, 1] * 100})
    use_case, text = proposed(tmp_path, frame)
    column = use_case.event_source.column("horse_power")
    assert (column.type, column.missing, column.nullable) == (type_, (sign,), True)
    assert "20 of 200 have no value" in text


def test_semicolons_and_decimal_commas_are_declared(tmp_path: Path) -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=7 * i) for i in range(200)]
    lines = ["visit;at;Betrag (EUR);codes;has_paid"]
    for i, at in enumerate(times):
        amount = f"{i}.{i:03d},5" if i > 99 else f"{i},25"
        lines.append(f"{i};{at:%d.%m.%Y %H:%M};{amount};{1 + i % 5},{i:03d};{i % 2}")
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    target = write_proposal("shape", partial(look_at, str(tmp_path / "in.csv")), None, False, tmp_path / "defs")
    source = load_use_case(target).event_source
    amount = source.column("betrag_eur")
    assert (amount.type, amount.decimal_mark, amount.thousands) == ("float64", ",", ".")
    assert source.column("codes").type == "string", "1,005 may be a thousand and five"
    rows = conform(read_source(source, tmp_path, times[0].date(), times[-1].date()), source).frame
    assert rows.height == 200
    assert rows["betrag_eur"].to_list()[98:102] == [98.25, 99.25, 100100.5, 101101.5]


@pytest.mark.parametrize("separate", [True, False])
def test_the_hour_24_is_the_midnight_that_ends_the_day(tmp_path: Path, separate: bool) -> None:
    hours = [(date(2026, 1, 1) + timedelta(days=i // 24), 1 + i % 24) for i in range(24 * 20)]
    when: dict[str, list[object]] = {"moment": [f"{day} {hour:02d}:00" for day, hour in hours]}
    if separate:
        when = {"day": [str(day) for day, _ in hours], "hour": [hour for _, hour in hours]}
    frame = pl.DataFrame({"reading": range(len(hours)), **when, "target": np.arange(len(hours)) * 0.5})
    use_case, _ = proposed(tmp_path, frame)
    source = use_case.event_source
    assert source.event_time == ("event_time" if separate else "moment")
    first, last = use_case.history.first_day, use_case.history.last_day
    assert last is not None
    rows = conform(read_source(source, tmp_path, first, last + timedelta(days=1)), source).frame
    times = rows[source.event_time]
    assert times.null_count() == 0
    assert times[23] == datetime(2026, 1, 2, tzinfo=UTC)
    assert times.is_sorted()


def test_of_a_large_database_every_so_many_th_row_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2020, 1, 1)
    count = 25_000
    rows = pl.DataFrame(
        {
            "visit": range(count),
            "at": [start + timedelta(hours=i) for i in range(count)],
            "has_paid": [0, 1] * (count // 2),
        }
    )
    address = f"sqlite:///{tmp_path / 'ward.db'}"
    engine = sa.create_engine(address)
    rows.to_pandas().to_sql("visits", engine, index=False)
    engine.dispose()
    monkeypatch.setattr(facts, "MAX_ROWS", 7000)
    found = look_at_database("WARD", "visits", Access(variables={"WARD": address}))
    assert not found.complete
    assert 3500 < found.frame.height <= 7000
    visits = found.frame["visit"].sort()
    assert set((visits.tail(-1) - visits.head(-1)).unique()) == {4}, "evenly over all of it"
    assert found.spans["at"] == (start.replace(tzinfo=UTC), (start + timedelta(hours=count - 1)).replace(tzinfo=UTC))
