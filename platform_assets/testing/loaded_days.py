"""A use case's own files taken into a lake, and its features computed, by the pipelines alone.

Belongs here: the journey from delivered files to feature tables for tests and benchmarks, without Dagster. Does not belong here: the
pipelines themselves (`platform_assets/pipelines/`), or what is expected of their tables.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.ingest import ingest
from platform_assets.pipelines.publish import publish
from platform_assets.pipelines.take_in_changes import take_in_changes


def loaded(use_case: UseCase, folder: Path, lake: Path, days: DayRange | None = None) -> Catalog:
    """The tables of a use case with everything that its files deliver, published.

    Args:
        use_case: the declaration; its connectors read files or changes below `folder`.
        folder: the use case's folder.
        lake: where tables are made.
        days: event days; default: the whole declared history.

    Raises:
        AssertionError: a source's rows were not published.
    """
    catalog = Catalog(use_case, Lake(root=str(lake)))
    for source in use_case.sources:
        load(catalog, source, folder, whole_history(use_case) if days is None else days)
    return catalog


def load(catalog: Catalog, source: Source, folder: Path, days: DayRange, log: Callable[[str], None] = print) -> None:
    """Take in and publish one source."""
    reader = SourceReader()
    if source.is_incremental:
        ingested = take_in_changes(catalog, reader, source, folder, 1_000, log)
        assert ingested.failure is None, f"{source.name}: {ingested.failure}"
    else:
        ingest(
            catalog, reader, source, folder, days if source.is_daily else None, faults=[], key=f"{source.name} {days}"
        )
    published = publish(catalog, source, days if source.is_daily else None)
    assert published.passed, f"{source.name}: {published.failed_rules} {published.rows_by_rule}"


def whole_history(use_case: UseCase) -> DayRange:
    """The declared days."""
    assert use_case.history.last_day is not None, "the history has an end"
    return DayRange(use_case.history.first_day, use_case.history.last_day)


def computed(catalog: Catalog, days: DayRange | None = None) -> Catalog:
    """The same tables, with the feature tables of these days, or of the whole history."""
    for view in catalog.use_case.stored_views:
        compute_features(catalog, view, whole_history(catalog.use_case) if days is None else days)
    return catalog
