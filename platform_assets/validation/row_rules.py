"""Row rules: which rows break which rule, with column and value.

Belongs here: running the pandera schemas and turning their failure cases into one table. Does not belong here: the
rules themselves (`schema`), and what becomes of the rows (`audit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from platform_assets.connectors.delivery import first_uncast
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, WHOLE_ROW
from platform_assets.declaration.sections.sources import Source
from platform_assets.validation.other_days import REPEATED_KEY, SUPERSEDED, OtherDays, rows_that_do_not_count
from platform_assets.validation.released_rows import ROW, without_released
from platform_assets.validation.results import ROW_RULES, RowRule, RuleResult
from platform_assets.validation.rows_to_judge import rows_with_repeated_keys, suspect_rows
from platform_assets.validation.schema import UNIQUE, is_nullable, limits, row_schema, unique_keys, unique_schema

VIOLATIONS_SCHEMA = pl.Schema({ROW: pl.UInt32(), "rule": pl.String(), "column": pl.String(), "value": pl.String()})

_EXAMPLES = 3


class AuditError(ValueError):
    """What was handed in cannot be audited, so that nothing of it may pass."""


def find_violations(
    frame: pl.DataFrame,
    source: Source,
    references: Mapping[str, pl.Series],
    releases: pl.DataFrame | None = None,
    others: OtherDays | None = None,
) -> pl.DataFrame:
    """Every row rule that a row breaks.

    Uniqueness is tested last, and only on rows that are otherwise good: of several rows with one key the first good one
    stays. A cell that does not fit its type breaks `type`, and its row not `not_null` as well.

    Args:
        frame: A conformed frame.
        source: The declared source.
        references: For each column with `references`, by its name, the values that exist.
        releases: Rows that a person released, as in `RELEASED_SCHEMA`: what they break does not count, but for what
            makes a row impossible to store.
        others: What other days have of the keys; None where keys may come again.

    Returns:
        `#row` (from 0), `rule`, `column`, `value` (text), one line for each rule broken, ordered by row, rule
        (as in `ROW_RULES`) and column (as declared). A key of several columns stands as `a, b`.

    Raises:
        AuditError: If the frame does not have the declared columns and types.
    """
    cases = _judged(frame, suspect_rows(frame, source, references), source, references)
    violations = _without_nulls_of_cast(_explain_type(frame, cases))
    violations = without_released(frame, violations, source, releases)
    good = frame.select(DELIVERED_DAY, *source.column_names).with_row_index(ROW)
    if violations.height:
        good = good.join(violations.select(ROW).unique(), on=ROW, how="anti", maintain_order="left")
    doubled = rows_with_repeated_keys(good, source)
    if doubled.height:
        repeated = _failure_cases(doubled.drop(ROW), unique_schema(source), source)
        if repeated.height:
            repeats = without_released(frame, _explain_unique(doubled, repeated), source, releases)
            violations = pl.concat([violations, repeats])
            good = good.join(repeats.select(ROW), on=ROW, how="anti", maintain_order="left")
    if others is not None:
        violations = pl.concat([violations, rows_that_do_not_count(good, others).cast(VIOLATIONS_SCHEMA)])
    columns = dict.fromkeys([WHOLE_ROW, *source.column_names, *(", ".join(key) for key in unique_keys(source))])
    by_rule, by_column = pl.Enum(list(ROW_RULES)), pl.Enum(list(columns))
    return violations.sort(ROW, pl.col("rule").cast(by_rule), pl.col("column").cast(by_column))


def summarise(violations: pl.DataFrame, source: Source, rows: int) -> list[RuleResult]:
    """One result for each row rule and column that the declaration asks for, those that nothing breaks included.

    Args:
        violations: What `find_violations` found.
        source: The declared source.
        rows: Rows judged.
    """
    counted = violations.group_by("rule", "column").agg(pl.len(), pl.col("value").head(_EXAMPLES).alias("examples"))
    counts = {(line["rule"], line["column"]): line for line in counted.iter_rows(named=True)}
    meanings = _meanings(source)
    key = ", ".join(source.primary_key)
    of_days: tuple[RowRule, ...] = (REPEATED_KEY, SUPERSEDED)
    meanings |= {(name, key): "have a key that another day has" for name in of_days if (name, key) in counts}
    if ("type", WHOLE_ROW) in counts:
        meanings["type", WHOLE_ROW] = "could not be taken apart"
    results = []
    for (rule, column), meaning in meanings.items():
        line = counts.get((rule, column), {"len": 0, "examples": []})
        count = line["len"]
        text = f"{column}: {count} of {rows} rows {meaning}"
        if count and rule != "not_null":
            text += f", for example {', '.join(map(repr, line['examples']))}"
        results.append(RuleResult(rule, column, None, count == 0, count / rows if rows else 0.0, 0.0, count, text))
    return sorted(results, key=lambda result: ROW_RULES.index(result.rule))


def _judged(
    frame: pl.DataFrame, suspects: pl.Series, source: Source, references: Mapping[str, pl.Series]
) -> pl.DataFrame:
    """What pandera finds in the suspect rows, by their number in the whole frame."""
    if suspects.is_empty() and frame.height:
        return pl.DataFrame(schema=VIOLATIONS_SCHEMA)
    cases = _failure_cases(frame[suspects], row_schema(source, references), source)
    return cases.with_columns(suspects[cases[ROW]].alias(ROW))


def _failure_cases(frame: pl.DataFrame, schema: Any, source: Source) -> pl.DataFrame:
    """What pandera finds at full depth, whatever its settings in the environment say, in `VIOLATIONS_SCHEMA`."""
    from pandera.config import ValidationDepth, config_context
    from pandera.errors import SchemaErrors

    try:
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases: pl.DataFrame = error.failure_cases
    else:
        return pl.DataFrame(schema=VIOLATIONS_SCHEMA)
    # A failure of no row in particular is one of the schema, or a check that could not run.
    other = cases.filter(pl.col("index").is_null())
    if other.height:
        listed = other.select("column", "check", "failure_case").iter_rows()
        what = "; ".join(f"column '{column}': {check} ({value})" for column, check, value in listed)
        raise AuditError(f"source '{source.name}': the frame to audit is not conformed: {what}. Call conform first.")
    return cases.select(
        pl.col("index").cast(pl.UInt32).alias(ROW),
        pl.col("check").replace("not_nullable", "not_null").alias("rule"),
        "column",
        pl.col("failure_case").cast(pl.String).alias("value"),
    )


def _explain_type(frame: pl.DataFrame, violations: pl.DataFrame) -> pl.DataFrame:
    """`type` names the cell's own column and text instead of `uncast`."""
    column, text = first_uncast(pl.col("value"))
    of_type = pl.col("rule") == "type"
    return violations.with_columns(
        pl.when(of_type).then(column).otherwise("column").alias("column"),
        pl.when(of_type).then(text).otherwise("value").alias("value"),
    )


def _without_nulls_of_cast(violations: pl.DataFrame) -> pl.DataFrame:
    """Without the nulls of rows that have a cell which does not fit its type: casting made them."""
    rows = violations.filter(pl.col("rule") == "type")[ROW]
    if rows.is_empty():
        return violations
    return violations.filter((pl.col("rule") != "not_null") | ~pl.col(ROW).is_in(rows.implode()))


def _explain_unique(good: pl.DataFrame, violations: pl.DataFrame) -> pl.DataFrame:
    """`unique` names all columns of the key and their values, and the row by its number in the whole frame."""
    parts = []
    for (check,), cases in violations.group_by("rule", maintain_order=True):
        key = str(check).removeprefix(UNIQUE).split(", ")
        rows = good[cases[ROW]]
        values = pl.concat_str([pl.col(name).cast(pl.String) for name in key], separator=", ")
        parts.append(
            rows.select(
                ROW, pl.lit("unique").alias("rule"), pl.lit(", ".join(key)).alias("column"), values.alias("value")
            )
        )
    return pl.concat(parts)


def _meanings(source: Source) -> dict[tuple[RowRule, str], str]:
    """What it means to break each rule that the declaration asks for."""
    meanings: dict[tuple[RowRule, str], str] = {}
    for column in source.columns:
        low, high = limits(column)
        meanings["type", column.name] = f"do not hold {column.type}"
        if not is_nullable(column, source):
            meanings["not_null", column.name] = "lack a value"
        if column.type == "string":
            if not is_nullable(column, source):
                meanings["blank", column.name] = "are empty"
            meanings["encoding", column.name] = "hold letters that were lost to a wrong encoding"
        if low is not None:
            meanings["minimum", column.name] = "are infinite" if column.minimum is None else f"lie below {low:g}"
        if high is not None:
            meanings["maximum", column.name] = "are infinite" if column.maximum is None else f"lie above {high:g}"
        if column.allowed is not None:
            meanings["allowed", column.name] = f"are none of {', '.join(map(str, column.allowed))}"
        if column.references is not None:
            meanings["reference", column.name] = f"are not in {column.references}"
    if source.event_time is not None:
        meanings["late", source.event_time] = "are of an earlier day than they were delivered for"
        meanings["early", source.event_time] = "are of a later day than they were delivered for"
    for key in unique_keys(source):
        meanings["unique", ", ".join(key)] = "repeat a key of the same day"
    return meanings
