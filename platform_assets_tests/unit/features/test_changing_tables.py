"""Tables that change while they are looked up, held to an oracle of what counted when, offline and online."""

import polars as pl
import pytest

from platform_assets.features.offline.lookup_answers import COUNTS_UNTIL, KNOWN_DAY, LOOKUP_KEY, answers_by_day
from platform_assets.testing import lookup_histories
from platform_assets.testing.lookup_histories import check_lookups


def test_generated_histories_equal_the_oracle_and_no_poison_is_read() -> None:
    tally = check_lookups(80, seed=2)
    assert tally.histories == 80
    assert tally.reversals > 100
    assert tally.poisoned_values > 200
    assert (tally.mismatches, tally.poison_read) == (0, 0)


def test_a_table_that_forgets_its_versions_shows_in_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = lookup_histories.row_versions

    def newest(*given: object) -> pl.DataFrame:
        return versions(*given).filter(pl.col("version_until").is_null())  # type: ignore[arg-type]

    monkeypatch.setattr(lookup_histories, "row_versions", newest)
    tally = check_lookups(60, seed=2)
    assert tally.mismatches > 0
    assert tally.poison_read > 0


def test_of_rows_that_count_at_once_the_newer_answers_until_it_ends() -> None:
    def day(number: int) -> pl.Expr:
        return pl.date(2024, 1, number)

    rows = [("a", 1, 9, 1.0), ("a", 3, 5, 2.0), ("a", 4, None, 3.0), ("b", 2, 4, 4.0)]
    frame = pl.concat(
        [
            pl.select(
                pl.lit(key).alias(LOOKUP_KEY),
                day(begin).alias(KNOWN_DAY),
                (day(end) if end else pl.lit(None, pl.Date)).alias(COUNTS_UNTIL),
                pl.lit(value).alias("value"),
            )
            for key, begin, end, value in rows
        ]
    )
    answers = answers_by_day(frame, longest_days=4)
    found = [(key, known.day, value) for key, known, value in answers.rows()]
    assert found == [
        ("a", 1, 1.0),
        ("a", 3, 2.0),
        ("a", 4, 3.0),
        ("a", 9, None),
        ("b", 2, 4.0),
        ("b", 4, None),
    ]
