"""What each column of a use case's tables means, in a sentence: the UI shows it beside the column's type.

Belongs here: the meaning of columns that the platform adds or makes, and which of the declaration's sentences stands for which column. Does
not belong here: types (`schemas.py`), or where a column comes from (`lineage/`).
"""

from collections.abc import Iterator, Mapping

from platform_assets.declaration.delivered_columns import EXTRA, SOURCE_LINE, SOURCE_POSITION, UNCAST
from platform_assets.declaration.names import (
    EXPLANATIONS,
    FEATURE_QUALITY,
    PARITY,
    RETRAIN_DECISION,
    TABLES,
    TRAINING_SET,
    USAGE,
)
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    CHANGE_TIME,
    IS_DELETED,
    OPERATION,
    ROW_DAY,
    ROW_SEQUENCE,
    VALID_FROM,
    VALID_TO,
)
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.use_case import UseCase
from platform_assets.lake.catalog import predictions_path
from platform_assets.lake.layout import (
    CLEAN,
    FEATURES,
    HISTORY,
    MAINTENANCE,
    MODEL,
    MONITORING,
    PROFILE,
    QUARANTINE,
    RAW,
    TRAINING,
)
from platform_assets.lake.schemas import AS_OF, LABEL_DAYS, LABEL_VALUES, QUANTILES

Meanings = Mapping[str, str]
"""A sentence for each column."""

_DAY: Meanings = {EVENT_DAY: "Day of the event in the use case's time zone; the partition."}
_AS_OF: Meanings = {AS_OF: "Day as of which it was made, from what was known at its midnight; the partition."}

_RAW: Meanings = {
    SOURCE_POSITION: "Where the row came from: a file, or the source's own position.",
    SOURCE_LINE: "The row's number in its delivery, such as the line of a file.",
    UNCAST: "Cells whose text does not fit the declared type; null where all do.",
    EXTRA: "Cells of columns that are not declared, as JSON; null where there are none.",
    CHANGE_OPERATION: "What the change does to its row: upsert or delete.",
    CHANGE_SEQUENCE: "Order among the changes of one key: larger is newer.",
    CHANGE_TIME: "When the change was made in its source; null where the source does not say.",
    ROW_DAY: "Where the row of the key stands after the change; another day means that it moved there.",
    ROW_SEQUENCE: "Sequence of the change that gave the row the content it has after this one.",
    EVENT_DAY: "Day that the row was delivered for; the partition.",
}
_CLEAN: Meanings = {IS_DELETED: "Whether the source deleted the row since.", **_DAY}
_HISTORY: Meanings = {
    SOURCE_POSITION: _RAW[SOURCE_POSITION],
    OPERATION: "Upsert or delete; a delete has its key alone.",
    VALID_FROM: "Sequence of the change that made the version.",
    VALID_TO: "Sequence of the change that followed; null while the version holds.",
    **_DAY,
}
_QUARANTINE: Meanings = {
    EVENT_DAY: _RAW[EVENT_DAY],
    SOURCE_POSITION: _RAW[SOURCE_POSITION],
    "rule": "The first rule that the row breaks.",
    "column": "Column that breaks it; empty for a rule about several.",
    "value": "What stood there.",
    "also": "Further rules that the row breaks, each with its column.",
    "row": "The whole row as JSON.",
}
_PROFILE: Meanings = {
    EVENT_DAY: _RAW[EVENT_DAY],
    "column": "The column that the line is about.",
    "type": "Its type.",
    "rows": "Rows that were audited.",
    "nulls": "Rows without a value.",
    "distinct": "Different values.",
    "minimum": "Smallest value, as text.",
    "maximum": "Largest value, as text.",
    "mean": "Mean of a column of numbers.",
    "std": "Standard deviation of the sample, of a column of numbers.",
    **{f"q{round(100 * q):02d}": f"Quantile {q:g} of a column of numbers, a value that occurs." for q in QUANTILES},
    "top_values": "The most frequent values with their counts, as JSON.",
    "histogram": "Counts in 20 bins, or by hour of the event, as JSON.",
    "published": "Whether the day was published: profiles of refused days are kept, too.",
}
_PREDICTION: Meanings = {
    "request_id": "The service's own identifier of the request, unique.",
    "scored_at": "When it was answered.",
    "score": "The model's answer: a probability, that of the predicted class, or a quantity.",
    "decision": "What follows from the score by the declared threshold, or the predicted class.",
    "model_version": "Registered version of the model that answered.",
    "release": "Digest of the service that answered.",
    "feature_contract": "Hash of the features' meaning that model and service agree on.",
    "unknown_entities": "Entities of the request that have no history, joined by commas.",
    "latency_ms": "Time in the service, in milliseconds.",
    "fallback": "Why the features are not what the online store holds; null for all others.",
    "caller_request_id": "The `x-request-id` that came with the request; it may come again.",
    "experiment": "The A/B test that ran when the request came; null where none did.",
    "variant": "What its entity was given in the test: control or treatment.",
    "role": "`live`, or null: a caller was given the answer. `shadow`: nobody was.",
    "trace_id": "The trace that the request was part of, where it was sampled.",
    **_DAY,
}
_FEATURE_QUALITY: Meanings = {
    "feature": "The feature that the line is about.",
    "missing_ratio": "Share of rows without a value.",
    "distinct": "Different values.",
    "minimum": "Smallest value.",
    "lower": "1st percentile.",
    "median": "Median.",
    "upper": "99th percentile.",
    "maximum": "Largest value.",
    "largest_share": "Share of the most frequent value.",
    "largest_psi": "Largest population stability index between two periods.",
    "correlation": "Rank correlation with the label.",
    "single_feature_score": "What the feature says about the label by itself; 0.5 says nothing where the label has two classes.",
    "most_similar": "The feature that it is most like.",
    "similarity": "How like: absolute rank correlation with that one.",
    "leaks": "Whether it knows more about the label than it can.",
    "findings": "What stands out, in words.",
    **_AS_OF,
}
_PARITY: Meanings = {
    "status": "equal, unequal, or why nothing could be compared.",
    "passed": "The verdict.",
    "predictions": "Logged predictions of the day.",
    "as_known": "Predictions that are equal when replayed as known at the time of the request.",
    "unequal": "Predictions with a value that the offline path does not give.",
    "not_comparable": "Predictions whose inputs are not there any more.",
    "explanation": "The verdict in words.",
    "mismatches": "Feature, entity, time and both values of what is unequal, as JSON.",
    **_DAY,
}
_EXPLANATIONS: Meanings = {
    "request_id": _PREDICTION["request_id"],
    "model_version": _PREDICTION["model_version"],
    "decision": _PREDICTION["decision"],
    "score": _PREDICTION["score"],
    "proof": "Whether the answer, computed again, is the logged one, and what it was computed from.",
    "verdict": "What was found, in a word.",
    "mattered": "The features that mattered most, with how much, as JSON.",
    "proven": "Whether the answer computed again is the logged one.",
    **_DAY,
}
_VERDICT: Meanings = {
    "status": "The verdict in a word; a window with too few rows is judged too.",
    "passed": "Whether nothing has to be done.",
    "causes": "What was found, such as columns past their limits.",
    "model_version": "The model that was judged.",
    "result": "The whole verdict as JSON.",
    EVENT_DAY: "Last day of the window that was judged; the partition.",
}
_RETRAIN: Meanings = {
    "verdict": "Whether a new model is asked for, in a word.",
    "cause": "What asks for it.",
    "reason": "The verdict in words.",
    "attempt": "How often it has been asked for.",
    "failed_requests": "Requests whose training failed or was refused.",
    "model_version": "The champion that was judged.",
    "model_as_of": "Day that the champion was trained as of.",
    "model_age_days": "Its age in days.",
    "drift_size": "Largest statistic of a column, as a multiple of its limit.",
    "drifted_columns": "Columns past their limits.",
    "metric": "The metric that is followed.",
    **{
        f"{kind}_loss_ratio{end}": f"Share of the evaluation's figure that is lost, {kind}{words}; negative where it is better."
        for kind in ("measured", "estimated")
        for end, words in (("", ""), ("_low", ", lower end"), ("_high", ", upper end"))
    },
    "label_coverage_ratio": "Share of the window's predictions whose label is known.",
    "training_seconds": "How long the champion's training took.",
    "other_settings": "What other settings would have decided, as JSON.",
    "evidence": "What the verdict stands on, as JSON.",
    **_AS_OF,
}
_USAGE: Meanings = {
    EVENT_DAY: "Day of `at` in UTC.",
    "at": "When the run ended, or the process or table was looked at.",
    "kind": "What it is for: a stage of the journey, a service, a share of the proxy, storage, or what a run takes beside its steps.",
    "name": "`layer/table` of a step or table, version of a service.",
    "part": "Part of a training: candidate, trial and fold; null for what a step takes beside them.",
    "job": "Job of the run.",
    "days": "Days that the run was about.",
    "run_id": "Dagster's run.",
    "process": "The process that goes on.",
    "seconds": "By the clock.",
    "cpu_seconds": "CPU-seconds of all threads, and of child processes that ended.",
    "gigabyte_seconds": "Resident memory over time; GB of 10^9 bytes.",
    "gpu_seconds": "Time for which GPUs were held, times their number; 0 where none was seen.",
    "gigabyte_hours_stored": "Stored bytes over time, since the look before.",
    "reading_cpu_seconds": "CPU-seconds that the process said then.",
    "read_bytes": "Bytes read from storage.",
    "written_bytes": "Bytes written to storage.",
    "stored_bytes": "Bytes of all kept versions.",
    "requests": "Requests answered since the look before.",
    "reading_requests": "Requests that the process said then.",
}
_UPKEEP: Meanings = {
    "ran_at": "When the upkeep began.",
    "table": "The table, as `layer/table`.",
    "kept_versions": "Versions that models, training sets and holds pin, and the current one.",
    "version": "Version of the table afterwards.",
    **{
        f"{stored}{what}_{when}": f"{what.capitalize()} of {'all kept versions' if stored else 'the latest version'} {when} the upkeep."
        for stored in ("", "stored_")
        for what in ("files", "bytes")
        for when in ("before", "after")
    },
    "compacted_partitions": "Partitions whose files were put together.",
    "removed_files": "Files that no kept version needs.",
}
_OF_LAYER: Mapping[str, Meanings] = {
    RAW: _RAW,
    CLEAN: _CLEAN,
    HISTORY: _HISTORY,
    QUARANTINE: _QUARANTINE,
    PROFILE: _PROFILE,
    FEATURES: _DAY,
    MONITORING: _VERDICT,
}
_OF_TABLE: Mapping[tuple[str, str], Meanings] = {
    (FEATURES, FEATURE_QUALITY): _FEATURE_QUALITY,
    (TRAINING, TRAINING_SET): {
        LABEL_DAYS: "Days from which the label had each of its values, in order.",
        LABEL_VALUES: "The values that the label had, in order.",
        **_DAY,
        EVENT_DAY: "Day of the event in the use case's time zone.",
        **_AS_OF,
    },
    (MONITORING, PARITY): _PARITY,
    (MONITORING, EXPLANATIONS): _EXPLANATIONS,
    (MONITORING, RETRAIN_DECISION): _RETRAIN,
    (MONITORING, USAGE): _USAGE,
    (MAINTENANCE, TABLES): _UPKEEP,
}


def column_meanings(use_case: UseCase, layer: str, table: str) -> Meanings:
    """A sentence for each column of a table that has one.

    Args:
        use_case: the declaration.
        layer: of the table.
        table: its name.
    """
    own = _OF_TABLE.get((layer, table), _OF_LAYER.get(layer, {}))
    sources = {
        source.name: {column.name: column.description for column in source.columns} for source in use_case.sources
    }
    if layer in (RAW, CLEAN, HISTORY) and table in sources:
        return {**own, **sources[table]}
    if layer in (QUARANTINE, PROFILE):
        return own
    events = sources[use_case.events]
    if (layer, table) == predictions_path(use_case):
        return {**events, **_PREDICTION, **_logged(use_case)}
    if layer in (FEATURES, TRAINING, MODEL):
        label = sources[use_case.label.source].get(use_case.label.column, "")
        every = [
            *sources.values(),
            events,
        ]  # the online store keeps columns of several sources; those of the events count
        known = {name: text for source in every for name, text in source.items()}
        return {
            **known,
            **_described_features(use_case, table),
            use_case.label.column: f"The label. {label}".strip(),
            **own,
        }
    return {**events, **own}


def _logged(use_case: UseCase) -> dict[str, str]:
    """The features of a prediction, and the columns that its kind of task adds."""
    meant = _every_feature(use_case)
    of_task = dict.fromkeys(use_case.task.log_columns, "Probability of this class.")
    return of_task | {
        f"{FEATURE_PREFIX}{name}": f"As the model was given it: {meant[name]}" for name in use_case.feature_names
    }


def _described_features(use_case: UseCase, table: str) -> dict[str, str]:
    """Features of one view where the table is its own, else of all."""
    view = next((view for view in use_case.stored_views if view.table == table), None)
    return dict(feature_meanings(view)) if view is not None else _every_feature(use_case)


def _every_feature(use_case: UseCase) -> dict[str, str]:
    return {name: text for view in use_case.features for name, text in feature_meanings(view)}


def feature_meanings(view: FeatureView) -> Iterator[tuple[str, str]]:
    """Each feature of a view, with what it means."""
    yield from ((row.name, row.description) for row in view.rows)
    yield from ((item.name, item.description) for item in view.functions)
    for lookup in view.lookups:
        yield from ((name, lookup.description) for name in lookup.feature_names)
    for window in view.windows:
        for name, duration in zip(window.feature_names, window.durations, strict=True):
            yield name, f"{window.description}; over {duration}"
