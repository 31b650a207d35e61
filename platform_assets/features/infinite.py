"""Feature values that are no numbers to learn from: what a division by zero leaves.

Belongs here: finding them in rows with features, and saying where they come from. Does not belong here: infinite values of columns, which
are quarantined (`validation/`).
"""

from __future__ import annotations

import polars as pl

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import example_keys


def refuse_infinite(rows: pl.DataFrame, use_case: UseCase, what: str) -> None:
    """Refuse rows of which a feature is infinite: no learner takes it, and no model was judged with it.

    Args:
        rows: events with their primary key and features; those that are not there are not looked at.
        use_case: the declaration.
        what: the rows, for the message.

    Raises:
        FeatureError: naming view, feature, row count, some keys, and what to declare.
    """
    names = [name for name in use_case.feature_names if name in rows.columns and rows.schema[name].is_float()]
    counts = rows.select(pl.col(name).is_infinite().sum() for name in names).row(0) if names and rows.height else ()
    found = {name: count for name, count in zip(names, counts, strict=False) if count}
    if not found:
        return
    name, count = next(iter(found.items()))
    view = next(view for view in use_case.features if name in view.feature_names)
    examples = example_keys(rows.filter(pl.col(name).is_infinite()), list(use_case.event_source.primary_key))
    others = f" (and {len(found) - 1} other features are infinite somewhere)" if len(found) > 1 else ""
    raise FeatureError(
        f"{what}: feature {name!r} of view {view.name!r} is infinite in {count} of {rows.height} rows{others}, for example {examples}. "
        f"{remedy(view, name)} Then materialize the view's days again."
    )


def remedy(view: FeatureView, name: str) -> str:
    """What to declare, so that such a row has no value instead."""
    row = next((row for row in view.rows if row.name == name), None)
    if row is None:
        return "A sum of finite values is infinite only where one lies beyond all reason: give its column a `maximum`."
    return f"Its expression, {row.expression!r}, divides by zero there: write NULLIF(divisor, 0), and the row has no value."
