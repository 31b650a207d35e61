"""What a database counts itself.

Belongs here: COUNT and SUM of days or of a table. Does not belong here: comparing them with the rows (`validation/reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ControlTotals, Totals
from platform_assets.connectors.sql.days import ask, needed_for_time, within_days
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source


def database_totals(source: Source, connector: SqlConnector, days: Sequence[date] | None, access: Access) -> Totals:
    """COUNT and SUM as the database has them; a day has its own statement, within one snapshot."""

    def read(connection: Any, relation: Any) -> Totals:
        import sqlalchemy as sa

        if days is not None and source.column(source.event_time or "").has_written_form:
            return {}
        if days is not None:
            time = relation.column(source.event_time or "")
            example = connection.execute(sa.select(time).where(time.is_not(None)).limit(1)).scalar()
            if isinstance(example, str):  # days are cut out of text after the read, which SQL cannot repeat
                return {}
        names = [name for name in source.quality.reconciliation.sums or () if name in relation.columns]
        columns = [sa.func.count(), *(sa.func.sum(relation.column(name)) for name in names)]
        totals = Totals()
        for day in days or [None]:  # type: ignore[list-item]
            query = sa.select(*columns).select_from(relation.selectable)
            if day is not None:
                query = query.where(*within_days(connection, source, relation, day, day))
            rows, *sums = connection.execute(query).one()
            totals[day] = ControlTotals(int(rows), {n: float(v or 0) for n, v in zip(names, sums, strict=True)})
        return totals

    return ask(source, connector, access, needed_for_time(source), read)
