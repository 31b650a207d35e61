"""The lineage of a use case: the rules of all its layers in one graph.

Belongs here: which tables a use case has, and the rule that each follows. Does not belong here: the rules (`data.py`, `features.py`,
`predictions.py`).
"""

from collections.abc import Iterable

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import (
    BUSINESS_MEASURES,
    DRIFT,
    ESTIMATE,
    EXPLANATIONS,
    FEATURE_QUALITY,
    ONLINE_STORE,
    PARITY,
    QUALITY,
    RETRAIN_DECISION,
    TABLES,
    TRAINING_SET,
    USAGE,
)
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.lake.catalog import predictions_path
from platform_assets.lake.layout import (
    ACCEPTANCES,
    CLEAN,
    FEATURES,
    HISTORY,
    MAINTENANCE,
    MODEL,
    MONITORING,
    PROFILE,
    QUARANTINE,
    RAW,
    RELEASES,
    TRAINING,
)
from platform_assets.lake.lineage.data import clean_origins, history_origins, quarantine_origins, raw_origins
from platform_assets.lake.lineage.features import (
    model_origins,
    online_store_origins,
    training_set_origins,
    view_origins,
)
from platform_assets.lake.lineage.graph import PLATFORM, SOURCE, WHOLE_ROW, ColumnOf, Lineage, Origins
from platform_assets.lake.lineage.predictions import (
    business_origins,
    daily_predictions_origins,
    delivered_score_origins,
    drift_origins,
    estimate_origins,
    prediction_log_origins,
    quality_origins,
)


def lineage(use_case: UseCase) -> Lineage:
    """The graph of a use case."""
    made_from: dict[ColumnOf, tuple[ColumnOf, ...]] = {}
    for (layer, table), origins in _tables(use_case):
        made_from |= {ColumnOf(layer, table, column): above for column, above in origins.items()}
    otherwise: dict[tuple[str, str], tuple[ColumnOf, ...]] = {}
    for source in use_case.sources:
        otherwise[(RAW, source.name)] = (ColumnOf(SOURCE, source.name, WHOLE_ROW),)
        otherwise[(QUARANTINE, source.name)] = tuple(ColumnOf(RAW, source.name, name) for name in source.column_names)
        otherwise[(PROFILE, source.name)] = otherwise[(QUARANTINE, source.name)]
        otherwise[(RELEASES, source.name)] = (ColumnOf(QUARANTINE, source.name, WHOLE_ROW),)
        otherwise[(ACCEPTANCES, source.name)] = (ColumnOf(RAW, source.name, WHOLE_ROW),)
    otherwise[(MAINTENANCE, TABLES)] = (ColumnOf(PLATFORM, "lake", WHOLE_ROW),)
    otherwise[(MONITORING, USAGE)] = (ColumnOf(PLATFORM, "runs", WHOLE_ROW),)
    if not use_case.is_trained_here:
        return Lineage(made_from, otherwise)
    judged = (*use_case.feature_names, use_case.label.column)
    otherwise[(FEATURES, FEATURE_QUALITY)] = tuple(ColumnOf(TRAINING, TRAINING_SET, name) for name in judged)
    logged = [ColumnOf(*predictions_path(use_case), FEATURE_PREFIX + name) for name in use_case.feature_names]
    stored = [ColumnOf(FEATURES, view.table, name) for view in use_case.features for name in view.feature_names]
    otherwise[(MONITORING, PARITY)] = (*logged, *stored)
    otherwise[(MONITORING, EXPLANATIONS)] = (*logged, *stored)
    watched = [ColumnOf(MONITORING, monitor, "causes") for monitor in (DRIFT, QUALITY)]
    otherwise[(MONITORING, RETRAIN_DECISION)] = tuple(watched)
    return Lineage(made_from, otherwise)


def _prediction_origins(use_case: UseCase) -> Origins:
    if not use_case.is_trained_here:
        return delivered_score_origins(use_case)
    return prediction_log_origins(use_case) if use_case.is_realtime else daily_predictions_origins(use_case)


def _tables(use_case: UseCase) -> Iterable[tuple[tuple[str, str], Origins]]:
    """Every table whose columns the declaration names, in the order in which data flows."""
    for source in use_case.sources:
        yield (RAW, source.name), raw_origins(source)
        yield (CLEAN, source.name), clean_origins(source)
        yield (QUARANTINE, source.name), quarantine_origins(source)
        if source.changes.deletes == "history":
            yield (HISTORY, source.name), history_origins(source)
    for view in use_case.stored_views:
        yield (FEATURES, view.table), view_origins(use_case, view)
    if use_case.is_realtime:
        yield (FEATURES, ONLINE_STORE), online_store_origins(use_case)
    if use_case.is_trained_here:
        yield (TRAINING, TRAINING_SET), training_set_origins(use_case)
        yield (MODEL, use_case.model_name), model_origins(use_case)
    yield predictions_path(use_case), _prediction_origins(use_case)
    yield (MONITORING, DRIFT), drift_origins(use_case)
    yield (MONITORING, QUALITY), quality_origins(use_case)
    yield (MONITORING, ESTIMATE), estimate_origins(use_case)
    if use_case.monitoring.measures:
        yield (MONITORING, BUSINESS_MEASURES), business_origins(use_case)
