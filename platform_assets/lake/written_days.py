"""Which days of a table were written: with rows, or by a write of whole partitions that left them empty.

Belongs here: telling a day that is empty from one that was never written. Does not belong here: who needs which days
(`pipelines/required_days.py`), and what is in them.
"""

from datetime import date

from platform_assets.declaration.days import DayRange
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.lake.table import LakeTable

WITHDRAWN = "withdrawn"
"""Key in the metadata of a commit that takes days back: they are absent afterwards, and not empty."""


def absent_days(table: LakeTable, first: date, last: date, *, version: int | None = None) -> list[date]:
    """Days of a range that were never written, in order; all of them where the table does not exist.

    Read from the log: days that have files first, and only where some have none the records of the commits.

    Args:
        table: The table, partitioned by day.
        first: First day.
        last: Last day, included.
        version: Delta version, or None for the latest.

    Raises:
        LakeVersionMissing: The version does not exist.
    """
    wanted = DayRange(first, last).days
    try:
        absent = set(wanted) - set(table.files_by_partition(first, last, version=version))
    except LakeTableMissing:
        return wanted
    if not absent:
        return []
    withdrawn = set[date]()
    for entry in table.history(None):
        if entry.partitions is not None and (version is None or entry.version <= version):
            begin, end = entry.partitions
            of_entry = {day for day in absent if begin <= day <= end}
            withdrawn |= of_entry if WITHDRAWN in entry.metadata else set()
            absent -= of_entry
            if not absent:
                break
    return sorted(absent | withdrawn)
