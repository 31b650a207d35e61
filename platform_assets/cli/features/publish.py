"""`platform-assets features publish`: days of feature tables, put into the declared feature store again.

Belongs here: which tables and days are meant, and what is printed. Does not belong here: publishing (`pipelines/publish_features.py`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from platform_assets.cli.answer import CommandAnswer, ListedColumn, Listing
from platform_assets.cli.console import console

if TYPE_CHECKING:
    from platform_assets.pipelines.publish_features import PublishedDays


def publish_tables(name: str, views: list[str], first: date | None, last: date | None, answer: CommandAnswer) -> None:
    """Publish the stored days of feature tables.

    Raises:
        UnknownName: there is no such use case, or no such view.
        FeatureStoreError: the store refuses a table or a day, or is away.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.members import UnknownName, meant_and_known
    from platform_assets.pipelines.publish_features import publish_features
    from platform_assets.settings import source_access

    [declared] = declared_use_cases(name)
    use_case = declared.use_case
    known = {view.name: view for view in use_case.stored_views}
    for view in views:
        if view not in known:
            raise UnknownName(f"use case {name!r} has no view {view!r}; {meant_and_known(view, known)}")
    catalog = Installation.from_environment().catalog(use_case)
    published: list[PublishedDays] = []
    for chosen in (known[view] for view in views or known):
        stored = catalog.features(chosen).partitions()
        days = [day for day in stored if (first is None or day >= first) and (last is None or day <= last)]
        one = publish_features(catalog, chosen, days, source_access)
        if one is None:
            console.print(
                f"{name} declares `feature_store: {use_case.feature_store}`, in which no tables are published: nothing to do"
            )
            break
        published.append(one)
    columns = (
        ListedColumn("table"),
        ListedColumn("days", right=True),
        ListedColumn("rows", right=True),
        ListedColumn("store"),
    )
    listing = Listing(f"feature tables of {name}", columns)
    for one in published:
        listing.add(table=one.table, days=len(one.days), rows=one.rows, store=one.store)
    answer.show("published", listing)
