"""Measure what a model's answers are worth, once their labels have come.

Belongs here: reading answered requests with labels, and storing the measures. Does not belong here: computing and judging them
(`monitoring/business_measures.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from platform_assets.declaration.names import BUSINESS_MEASURES
from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.business_measures import BusinessResult, measure_business
from platform_assets.monitoring.estimates.change import without_prefix
from platform_assets.monitoring.plots import plot_measures
from platform_assets.monitoring.quality import join_labels, quality_days
from platform_assets.pipelines.labelled_events import label_rows, loaded_label_days
from platform_assets.pipelines.required_days import require_source_days
from platform_assets.pipelines.watch import StoredVerdict, require_predictions, store_verdict


@dataclass(frozen=True)
class WatchedBusiness:
    """Business measures of one window.

    Attributes:
        result: the measures.
        plot: a picture, PNG.
        stored: where they were stored.
    """

    result: BusinessResult
    plot: bytes
    stored: StoredVerdict


def watch_business(catalog: Catalog, day: date) -> WatchedBusiness:
    """Measure the window of answered requests that ends with a day, whichever model answered, and store the measures.

    Args:
        catalog: the tables.
        day: last day of the window.

    Raises:
        DaysMissing: days of the window, or of its labels, were never stored.
    """
    use_case = catalog.use_case
    as_of = day + timedelta(days=max(1, use_case.label_delay_days))
    first, last = quality_days(use_case, as_of)
    what = f"business measures of {use_case.name} up to {day}"
    require_predictions(catalog, first, last, what)
    newest = as_of - timedelta(days=max(1, use_case.label_arrival_days))
    require_source_days(catalog, use_case.label_source, first, newest, what)
    log = catalog.predictions.read(first, last)
    joined = join_labels(log, label_rows(catalog, first, as_of), use_case, as_of, None, loaded_label_days(catalog))
    result = measure_business(without_prefix(joined), use_case, (first, last))
    versions = log["model_version"].value_counts(sort=True)["model_version"]
    version = str(versions[0]) if len(versions) else ""
    stored = store_verdict(catalog, BUSINESS_MEASURES, day, version, result, result.causes)
    return WatchedBusiness(result, plot_measures(result), stored)
