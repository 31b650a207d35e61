"""Every version of every row of a source with `deletes: history`.

Belongs here: storing the versions of some days. Does not belong here: what a version is (`lake/changes.py`), or the history of tables,
which Delta keeps itself.
"""

from platform_assets.declaration import Source
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit


def store_row_versions(catalog: Catalog, source: Source, days: DayRange) -> Commit:
    """Store every version of the rows of these days, as delivered and not audited."""
    rows = catalog.raw(source.name).row_versions(days)
    return catalog.history(source.name).write_partitions(rows, days.first, days.last, allow_empty=True)
