"""Design the declared A/B test from the latest labelled days.

Belongs here: reading the history that a plan is made from. Does not belong here: the arithmetic (`experiments/design.py`).
"""

from datetime import timedelta

import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.experiments.design import Design, DesignError, design, measured
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.experiment_rows import with_answers
from platform_assets.pipelines.labelled_events import labelled_events


def design_experiment(catalog: Catalog) -> Design:
    """The plan of the declared test, from the latest labelled days.

    Args:
        catalog: the tables.

    Raises:
        DesignError: none is declared, or the history does not allow a plan.
    """
    use_case, labels = catalog.use_case, catalog.labels
    experiment = declared_experiment(use_case)
    days = labels.stored.partitions() if labels.exists() else []
    if not days:
        raise DesignError(f"{use_case.name} has no labels yet; run `platform-assets run {use_case.name}` first")
    first = days[-1] - timedelta(days=experiment.history_days - 1)
    as_of = days[-1] + timedelta(days=max(1, use_case.label_arrival_days))
    events = labelled_events(catalog, first, days[-1], as_of)
    if use_case.label.source != use_case.events:
        events = events.filter(pl.col(use_case.label.column).is_not_null())
    events = with_answers(catalog, experiment, events, first, days[-1])
    return design(experiment, measured(events, experiment, EVENT_DAY))


def declared_experiment(use_case: UseCase) -> Experiment:
    """The declared test.

    Raises:
        DesignError: none is declared.
    """
    if use_case.experiment is None:
        raise DesignError(
            f"{use_case.name} declares no experiment; add `experiment:` with hypothesis, measure, direction and minimum_effect_ratio "
            "(docs/guide/experiments.md)"
        )
    return use_case.experiment
