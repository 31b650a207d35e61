"""Lineage of predictions: the prediction log or the daily predictions, and the verdicts of monitoring.

Belongs here: which columns a prediction and a verdict are made from. Does not belong here: what a feature is made from (`features.py`),
or the graph (`graph.py`).
"""

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.names import ONLINE_STORE, PREDICTION_LOG, TRAINING_SET
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, prediction_log_schema
from platform_assets.lake.catalog import predictions_path
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, SERVING, TRAINING
from platform_assets.lake.lineage.features import feature_origins, is_windowed, model_origins, online_columns
from platform_assets.lake.lineage.graph import PLATFORM, REQUEST, ColumnOf, Origins
from platform_assets.lake.schemas import watched_columns


def _model_columns(use_case: UseCase) -> tuple[ColumnOf, ...]:
    return tuple(ColumnOf(MODEL, use_case.model_name, name) for name in model_origins(use_case))


def prediction_log_origins(use_case: UseCase) -> Origins:
    """The caller's request, the features computed from it and from the online store, and the model's answer."""
    request = {name: ColumnOf(REQUEST, use_case.name, name) for name in use_case.serving.request}
    origins: Origins = {
        name: (ColumnOf(PLATFORM, "service", name),) for name in prediction_log_schema(use_case) if name not in request
    }
    origins |= {name: (column,) for name, column in request.items()}
    online = online_columns(use_case)
    for name, read in feature_origins(use_case).items():
        from_request = [
            request[origin.column] for origin in read if origin.table == use_case.events and origin.column in request
        ]
        kept = (ColumnOf(FEATURES, ONLINE_STORE, origin.column) for origin in read if origin.column in online)
        stored = tuple(kept) if is_windowed(use_case, name) else ()
        origins[FEATURE_PREFIX + name] = (*from_request, *stored)
    inputs = tuple(ColumnOf(SERVING, PREDICTION_LOG, FEATURE_PREFIX + name) for name in use_case.feature_names)
    origins["score"] = (*inputs, *_model_columns(use_case))
    origins["decision"] = (ColumnOf(SERVING, PREDICTION_LOG, "score"),)
    origins |= _by_class(use_case, origins["score"])
    keys = [key for entity in use_case.entities for key in entity.key_columns if key in request]
    origins["unknown_entities"] = tuple(request[key] for key in dict.fromkeys(keys)) or origins["unknown_entities"]
    if use_case.event_time in request:
        origins[EVENT_DAY] = (request[use_case.event_time],)
    return origins


def daily_predictions_origins(use_case: UseCase) -> Origins:
    """The events of a day, their features from the feature tables, and the model's answer."""
    day = ColumnOf(CLEAN, use_case.events, EVENT_DAY)
    origins: Origins = {name: (ColumnOf(PLATFORM, "run", name),) for name in prediction_log_schema(use_case)}
    origins |= {name: (ColumnOf(CLEAN, use_case.events, name),) for name in use_case.serving.request}
    views = {name: view.table for view in use_case.features for name in view.feature_names}
    origins |= {FEATURE_PREFIX + name: (ColumnOf(FEATURES, view, name),) for name, view in views.items()}
    inputs = tuple(ColumnOf(*predictions_path(use_case), FEATURE_PREFIX + name) for name in use_case.feature_names)
    origins["score"] = (*inputs, *_model_columns(use_case))
    if use_case.serving.decision is not None:
        origins["decision"] = (ColumnOf(*predictions_path(use_case), "score"),)
    return {**origins, **_by_class(use_case, origins["score"]), EVENT_DAY: (day,)}


def delivered_score_origins(use_case: UseCase) -> Origins:
    """The events of a day, their features from the feature tables, and the scores that a source delivers."""
    given = use_case.predictions
    assert given is not None, "scores are delivered"
    score = (ColumnOf(CLEAN, given.source, given.score),)
    origins = {**daily_predictions_origins(use_case), "score": score}
    delivered = {"decision": given.decision, "model_version": given.model_version, "scored_at": given.scored_at}
    origins |= {name: (ColumnOf(CLEAN, given.source, column),) for name, column in delivered.items() if column}
    return origins


def _by_class(use_case: UseCase, model: tuple[ColumnOf, ...]) -> Origins:
    """The model gives the probabilities; the score and the predicted class are read from them."""
    scored_from = use_case.task.scored_from
    given = (ColumnOf(*predictions_path(use_case), scored_from),)
    return {scored_from: model, "score": given, "decision": given} if scored_from != "score" else {}


def _verdict(use_case: UseCase, judged: tuple[ColumnOf, ...]) -> Origins:
    verdict: Origins = dict.fromkeys(("status", "passed", "causes", "result"), judged)
    return verdict | {name: (ColumnOf(*predictions_path(use_case), name),) for name in ("model_version", EVENT_DAY)}


def _of_training_set(use_case: UseCase, names: tuple[str, ...]) -> tuple[ColumnOf, ...]:
    """What windows are compared with; where scores are delivered, that is the predictions themselves."""
    return tuple(ColumnOf(TRAINING, TRAINING_SET, name) for name in names) if use_case.is_trained_here else ()


def drift_origins(use_case: UseCase) -> Origins:
    """Logged features and scores, next to those of the training set."""
    logged = watched_columns(use_case)
    reference = _of_training_set(use_case, use_case.feature_names)
    return _verdict(use_case, (*(ColumnOf(*predictions_path(use_case), name) for name in logged), *reference))


def quality_origins(use_case: UseCase) -> Origins:
    """Logged scores, next to the labels that arrived."""
    label = ColumnOf(CLEAN, use_case.label.source, use_case.label.column)
    return _verdict(use_case, (ColumnOf(*predictions_path(use_case), use_case.task.scored_from), label))


def estimate_origins(use_case: UseCase) -> Origins:
    """Logged scores and inputs, next to those of the training set with their labels, and to labels that arrived."""
    label = ColumnOf(CLEAN, use_case.label.source, use_case.label.column)
    names = (use_case.task.scored_from, *(FEATURE_PREFIX + name for name in use_case.feature_names))
    logged = tuple(ColumnOf(*predictions_path(use_case), name) for name in names)
    reference = _of_training_set(use_case, (*use_case.feature_names, use_case.label.column))
    return _verdict(use_case, (*logged, *reference, label))


def business_origins(use_case: UseCase) -> Origins:
    """What was asked and answered, next to the labels that arrived."""
    label = ColumnOf(CLEAN, use_case.label.source, use_case.label.column)
    answered = (
        *use_case.serving.request,
        "score",
        "decision",
        *(FEATURE_PREFIX + name for name in use_case.feature_names),
    )
    return _verdict(use_case, (*(ColumnOf(*predictions_path(use_case), name) for name in answered), label))
