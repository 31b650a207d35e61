"""The data of a new use case as one page: what each column holds, what it is taken for, and what to look at before anything is trained.

Belongs here: the page, self-contained and readable in light and dark. Does not belong here: the facts (`facts.py`, `roles.py`), and pages
of use cases that run (`monitoring/use_case_page/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import polars as pl

from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.onboarding.interview import Understanding
from platform_assets.onboarding.roles import KEY, LABEL, LEAK, TIME, ColumnRole, doubled_rows, roles_of

MOST_COLUMNS = 150
"""Columns that are drawn; a wider table is cut, and says so."""
_BARS = 24
_WIDTH, _HEIGHT = 120, 28
_MANY_MISSING = 0.2
_STYLE = """
:root{--bg:#fff;--fg:#1b1f24;--dim:#667;--line:#dde;--bar:#4477aa;--warn:#b8502a;--ok:#2a7a5a;--box:#f6f7f9}
@media(prefers-color-scheme:dark){:root{--bg:#15181c;--fg:#e6e8ea;--dim:#9aa3ad;--line:#2c3238;
--bar:#77aadd;--warn:#f0a070;--ok:#7fcca8;--box:#1d2126}}
body{background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:78rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
th{color:var(--dim);font-weight:500}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.dim{color:var(--dim)}.warn{color:var(--warn)}.ok{color:var(--ok)}svg rect{fill:var(--bar)}svg text{fill:var(--dim);font-size:11px}
ul{background:var(--box);padding:.8rem 1rem .8rem 2rem;border-radius:.4rem}code{font-family:ui-monospace,monospace}.wide{overflow-x:auto}
"""


def data_page(name: str, understanding: Understanding) -> str:
    """The page of a new use case's data, as HTML.

    Args:
        name: of the use case.
        understanding: what data and answers mean.
    """
    roles = list(roles_of(understanding))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(name)}: the data</title>",
        f"<style>{_STYLE}</style><h1>{escape(name)}: the data</h1>",
        *_summary(understanding),
        *_to_look_at(understanding, roles),
        *_answers(understanding),
    ]
    for table in sorted(understanding.tables, key=lambda each: each.name != understanding.events.name):
        parts += _table(understanding, table.name, [role for role in roles if role.table == table.name])
    return "\n".join([*parts, "</html>"])


def _summary(understanding: Understanding) -> Iterator[str]:
    guesses, table = understanding.guesses, understanding.events.facts
    span = f"{guesses.first_day} to {guesses.last_day}, {guesses.days:,} days" if guesses.days else "no time was found"
    rows = f"{table.frame.height:,} rows"
    if not table.complete:
        rows += f", evenly from {table.rows:,}" if table.rows else ", evenly from more"
    label = understanding.label or "not known yet"
    yield f"<p>Events: <b>{escape(understanding.events.name)}</b>, {rows}, {escape(span)}. To be predicted: <b>{escape(label)}</b>"
    yield f"{escape(_share(understanding))}. Known {understanding.delay_days} days after the event.</p>"
    days = _rows_by_day(understanding)
    if days.height > 1:
        yield "<h2>Rows by day</h2>"
        yield _days_chart(days)


def _share(understanding: Understanding) -> str:
    """How often a binary label is 1, with the number of rows."""
    if understanding.outcome is not None:
        return f", {understanding.outcome.rows:,} rows"
    guesses = understanding.guesses
    if guesses.label is None or not DECLARED_TASKS[guesses.task].has_decision:
        return ""
    values = understanding.events.facts.frame[guesses.label.value].drop_nulls().cast(pl.Float64)
    share = float(values.sum()) / max(1, len(values))
    return f", 1 in {share:.1%} of {len(values):,} rows"


def _rows_by_day(understanding: Understanding) -> pl.DataFrame:
    frame, time = understanding.events.facts.frame, understanding.guesses.event_time.value
    if time not in frame.columns:
        return pl.DataFrame({"day": [], "rows": []})
    days = frame[time].drop_nulls().dt.date().alias("day").value_counts(name="rows").sort("day")
    if days.height <= 2 * MOST_COLUMNS:
        return days
    every = f"{-(-understanding.guesses.days // (2 * MOST_COLUMNS))}d"
    return days.group_by_dynamic("day", every=every).agg(pl.col("rows").sum())


def _days_chart(days: pl.DataFrame) -> str:
    rows = days["rows"].to_list()
    width, height, top = 900, 120, max(rows)
    bars = _bars([(f"{day}: {count:,} rows", count) for day, count in days.iter_rows()], width, height)
    first, last = days["day"][0], days["day"][-1]
    return (
        f"<div class=wide><svg viewBox='0 -16 {width} {height + 34}' width={width} role=img aria-label='rows by day'>"
        f"<text x=0 y=-4>{top:,} rows at most</text>{bars}<text x=0 y={height + 14}>{first}</text>"
        f"<text x={width} y={height + 14} text-anchor=end>{last}</text></svg></div>"
    )


def _to_look_at(understanding: Understanding, roles: Sequence[ColumnRole]) -> Iterator[str]:
    """What somebody has to decide or to know, the gravest first."""
    items = [f"<span class=warn>to do</span>: {escape(problem)}" for problem in understanding.guesses.problems]
    items += [
        f"<span class=warn>leak?</span> <code>{escape(role.facts.name)}</code>: {escape(role.why)}"
        for role in roles
        if role.role == LEAK
    ]
    for table in understanding.tables:
        doubles = doubled_rows(table.facts)
        if doubles:
            items.append(
                f"<span class=warn>twice</span>: {doubles:,} rows of {escape(table.name)} are there twice as a whole"
            )
    items += [
        f"<span class=warn>missing</span>: <code>{escape(role.facts.name)}</code> has no value in {role.missing_ratio:.0%} of the rows"
        for role in roles
        if role.missing_ratio >= _MANY_MISSING
    ]
    if understanding.outcome is not None and understanding.outcome.unknown_rows:
        items.append(f"<span class=warn>unknown</span>: {escape(understanding.outcome.why)}")
    yield "<h2>To look at</h2>"
    yield f"<ul>{''.join(f'<li>{item}</li>' for item in items) or '<li class=ok>nothing stands out</li>'}</ul>"


def _answers(understanding: Understanding) -> Iterator[str]:
    yield "<h2>What was asked</h2><table><tr><th>question<th>answer<th>from</tr>"
    for key, answer in understanding.answers.items():
        origin = "you" if answer.is_given else "the guess"
        yield f"<tr><td>{escape(understanding.questions[key])}<td><b>{escape(answer.value) or '–'}</b><td class=dim>{origin}</tr>"
    yield "</table>"


def _table(understanding: Understanding, name: str, roles: Sequence[ColumnRole]) -> Iterator[str]:
    table = next(each.facts for each in understanding.tables if each.name == name)
    yield f"<h2>{escape(name)}</h2><p class=dim>{escape(table.origin)}: {table.frame.height:,} rows, {len(table.columns)} columns</p>"
    yield "<div class=wide><table>"
    yield "<tr><th>column<th>type<th class=n>missing<th class=n>different<th>values<th>distribution<th>taken for</tr>"
    for role in roles[:MOST_COLUMNS]:
        facts = role.facts
        mark = " class=warn" if role.role == LEAK else " class=ok" if role.role in (LABEL, KEY, TIME) else ""
        delivered = f"<br><span class=dim>{escape(', '.join(facts.delivered))}</span>" if facts.delivered else ""
        yield (
            f"<tr><td><code>{escape(facts.name)}</code>{delivered}<td>{facts.type}<td class=n>{_percent(role.missing_ratio)}"
            f"<td class=n>{facts.distinct:,}<td>{escape(role.values)}<td>{_distribution(table.frame[facts.name])}"
            f"<td><span{mark}>{role.role}</span> <span class=dim>{escape(role.why)}</span></tr>"
        )
    yield "</table></div>"
    if len(roles) > MOST_COLUMNS:
        yield f"<p class=dim>and {len(roles) - MOST_COLUMNS:,} more columns, which stand in the declaration</p>"


def _percent(ratio: float) -> str:
    return "0" if ratio == 0 else "< 0.1 %" if ratio < 0.001 else f"{ratio:.1%}"


def _distribution(values: pl.Series) -> str:
    """Bars of a column's values: ranges of numbers and times, the most frequent texts."""
    counts = _counts(values)
    top = max((count for _, count in counts), default=0)
    if not top:
        return ""
    bars = _bars([(f"{text}: {count:,}", count) for text, count in counts], _WIDTH, _HEIGHT)
    return f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' width={_WIDTH} height={_HEIGHT} role=img aria-label=distribution>{bars}</svg>"


def _bars(counts: Sequence[tuple[str, int]], width: int, height: int) -> str:
    """One bar for each count, with its words for a pointer."""
    step, top = width / len(counts), max(count for _, count in counts)
    sizes = [(i * step, height * count / top, text) for i, (text, count) in enumerate(counts) if count]
    return "".join(
        f"<rect x='{x:.1f}' y='{height - size:.1f}' width='{max(1.0, step - 1):.1f}' height='{size:.1f}'>"
        f"<title>{escape(text)}</title></rect>"
        for x, size, text in sizes
    )


def _counts(values: pl.Series) -> list[tuple[str, int]]:
    known = values.drop_nulls()
    if known.dtype.is_temporal():
        return []
    if known.dtype.is_numeric():
        numbers = known.cast(pl.Float64)
        numbers = numbers.filter(numbers.is_finite())
        if numbers.n_unique() > _BARS:
            bins = numbers.hist(bin_count=_BARS, include_category=True, include_breakpoint=False)
            return [(str(text), int(count)) for text, count in bins.rows()]
    found = known.alias("value").value_counts(sort=True, name="rows").head(_BARS)
    return [(str(value)[:40], int(count)) for value, count in found.rows()]
