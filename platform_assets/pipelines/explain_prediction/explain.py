"""Explain one prediction: everything about it in one value.

Belongs here: the order of the steps, and the verdict on whether the prediction is proven. Does not belong here: any of the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.monitoring.prediction_log import find_line, read_segments
from platform_assets.pipelines.explain_prediction.answer_again import (
    AnswerAgain,
    FeatureValues,
    answer_again,
    as_row,
    logged_features,
    model_answer,
    same_number,
)
from platform_assets.pipelines.explain_prediction.errors import NotExplained
from platform_assets.pipelines.explain_prediction.feature_accounts import FeatureAccount, feature_accounts
from platform_assets.pipelines.explain_prediction.find import FoundPrediction
from platform_assets.pipelines.explain_prediction.model_then import AnsweringModel, model_then
from platform_assets.pipelines.explain_prediction.nearest_change import ChangeSearch, search_changes
from platform_assets.pipelines.explain_prediction.origin import PredictionOrigin, prediction_origin
from platform_assets.pipelines.explain_prediction.state_then import (
    StateThen,
    TableThen,
    features_today,
    state_then,
    tables_then,
)
from platform_assets.registry.model_store import ModelStore
from platform_assets.training.attribution import attribute
from platform_assets.training.learners.additive import AdditiveAnswer

Proof = Literal["as known then", "as the tables say today", "expired", "different", "no store"]
FORMAT = 1


@dataclass(frozen=True)
class FeaturesAgain:
    """Whether the offline path gives the logged features.

    Attributes:
        proof: `as known then`: from the table versions of the moment. `as the tables say today`: these are gone, and today's feature
            tables say the same. `expired`: they are gone, and today's tables say otherwise or nothing. `different`: they are there and give
            something else. `no store`: the prediction was made from the request alone, because the online store did not answer.
        sentence: for people, with dates.
        answer: the answer computed from the recomputed features; None where there are none.
    """

    proof: Proof
    sentence: str
    answer: AnswerAgain | None


@dataclass(frozen=True, eq=False)
class PredictionExplanation:
    """A prediction explained.

    Attributes:
        found: as it was logged.
        use_case: the declaration that it was answered under.
        model: that answered.
        answer: computed again from the logged features.
        features: whether these are what was known.
        sum: the answer as a sum over features.
        accounts: of each feature.
        tables: versions that features were computed from.
        search: the smallest change that flips the decision.
        origin: what the ledger knows.
    """

    found: FoundPrediction
    use_case: UseCase
    model: AnsweringModel
    answer: AnswerAgain
    features: FeaturesAgain
    sum: AdditiveAnswer
    accounts: Sequence[FeatureAccount]
    tables: Sequence[TableThen]
    search: ChangeSearch
    origin: PredictionOrigin

    @property
    def is_proven(self) -> bool:
        """Whether the answer is the same to the bit, both from the logged features and from what was known."""
        again = self.features.answer
        return self.answer.same and again is not None and again.same

    @property
    def verdict(self) -> str:
        """In a sentence."""
        if not self.answer.same:
            return (
                f"NOT equal: the model gives {self.answer.score!r}, {self.answer.decision}; logged are {self.found.row['score']!r}, "
                f"{self.found.row['decision']}"
            )
        both = " and so are the features, computed from what was known then" if self.is_proven else ""
        return f"the answer computed again is equal to the bit{both}" + ("" if both else f"; {self.features.sentence}")

    def document(self) -> dict[str, Any]:
        """All of it as plain values, `"format": 1`."""
        row = dict(self.found.row)
        model = self.model
        return {
            "format": FORMAT,
            "use_case": self.use_case.name,
            "request_id": row["request_id"],
            "request": list(self.use_case.serving.request),
            "verdict": self.verdict,
            "proven": self.is_proven,
            "prediction": {"found_in": self.found.place, **row},
            "answer_again": asdict(self.answer),
            "features_again": asdict(self.features),
            "sum": {
                **{name: value for name, value in vars(self.sum).items() if name != "contributions"},
                "gap": self.sum.gap,
            },
            "features": [asdict(account) for account in self.accounts],
            "nearest_changes": asdict(self.search),
            "model": {
                "version": row["model_version"],
                "release": row["release"],
                "read_from": model.source,
                "digest": model.predictor.digest,
                "learner": model.predictor.learner,
                "settings": dict(model.predictor.settings),
                "seed": model.predictor.seed,
                "trained_on": asdict(model.predictor.trained_on),
                "libraries": dict(model.predictor.versions),
                "code_version": model.code_version,
                "made_from": dict(model.data_versions),
                "feature_contract": row["feature_contract"],
            },
            "tables": [asdict(table) for table in self.tables],
            "origin": asdict(self.origin),
        }


def explain_prediction(
    catalog: Catalog, found: FoundPrediction, serving: ServingHome, models: ModelStore
) -> PredictionExplanation:
    """Explain a prediction.

    Args:
        catalog: the tables, with the declaration as it is now.
        found: the prediction.
        serving: where releases and the log are kept.
        models: where models are registered, and the ledger.

    Raises:
        NotExplained: the model is not kept any more, or the log does not hold the features that it was given.
        ArtifactError: a kept model was damaged.
    """
    log_folder = serving.log_folder(catalog.use_case.name)
    model = model_then(catalog.use_case, found.row, serving, models, believed=True)
    then = Catalog(model.use_case, catalog.lake)
    found = _under_its_contract(found, catalog, then, log_folder)
    row = found.row
    logged = logged_features(row, model.use_case)
    answer = answer_again(model, logged, row)
    if not answer.same:
        model = model_then(catalog.use_case, row, serving, models)
        answer = answer_again(model, logged, row)
    tables = tables_then(then, row["scored_at"])
    waiting = read_segments(log_folder, model.use_case).frame if found.place.endswith("not stored yet") else None
    state, recomputed, features = _features_again(then, model, row, logged, tables, waiting)
    parts = attribute(model.predictor, as_row(logged, model.predictor.features), _output(model, row), model.background)
    contributions = dict(zip(model.predictor.features, parts.contributions.tolist(), strict=True))
    changeable = catalog.use_case.monitoring.explanations.changeable
    if state is None:
        search = ChangeSearch((), f"the state to compute a changed request from is gone: {features.sentence}")
    else:
        search = search_changes(model, state, changeable, model_answer(model, logged).decision)
    return PredictionExplanation(
        found=found,
        use_case=model.use_case,
        model=model,
        answer=answer,
        features=features,
        sum=parts,
        accounts=feature_accounts(model.use_case.features, logged, recomputed, contributions, state, tables),
        tables=tables,
        search=search,
        origin=prediction_origin(models.ledger(catalog.use_case.name), catalog.use_case.name, row),
    )


def _under_its_contract(found: FoundPrediction, now: Catalog, then: Catalog, log_folder: Any) -> FoundPrediction:
    """The prediction with the features of the contract that it was made under, whatever is declared now.

    Raises:
        NotExplained: the log does not hold them any more.
    """
    contract = found.row["feature_contract"]
    if contract == feature_contract_hash(now.use_case):
        return found
    request = str(found.row["request_id"])
    line = find_line(log_folder, then.use_case, request)
    if line is not None:
        return replace(found, row=line[1], place=f"{found.place}; its features from {line[0]}")
    if contract != feature_contract_hash(then.use_case):
        raise NotExplained(
            f"request {request} was answered under feature contract {contract}, and no release or model of that contract is kept"
        )
    day: date = found.row["event_day"]
    table = then.shadow_predictions if found.shadow else then.predictions
    rows = [one for one in table.read(day, day).iter_rows(named=True) if one["request_id"] == request]
    return replace(found, row=rows[0]) if rows else found


def _features_again(
    catalog: Catalog,
    model: AnsweringModel,
    row: Mapping[str, Any],
    logged: FeatureValues,
    tables: Sequence[TableThen],
    waiting: Any,
) -> tuple[StateThen | None, FeatureValues | None, FeaturesAgain]:
    """State, features and the verdict on these."""
    if row.get("fallback") is not None:
        sentence = f"the online store did not answer ({row['fallback']}): the features are those of a request without any history"
        return None, None, FeaturesAgain("no store", sentence, None)
    try:
        state = state_then(catalog, row, waiting)
        values: FeatureValues = state.features().row(0, named=True)
    except LakeVersionMissing as error:
        return None, *_features_of_today(catalog, model, row, logged, tables, error)
    different = [name for name, value in logged.items() if not same_number(value, values[name])]
    answer = answer_again(model, values, row)
    if not different:
        at: datetime = row["scored_at"]
        sentence = f"every feature computed from what was known at {at.isoformat()} is equal to the bit"
        return state, values, FeaturesAgain("as known then", sentence, answer)
    today = features_today(catalog, row)
    if today is not None and all(same_number(value, today[name]) for name, value in logged.items()):
        sentence = "every feature is equal to the bit to what the feature tables say today"
        return state, today, FeaturesAgain("as the tables say today", sentence, answer_again(model, today, row))
    sentence = f"{', '.join(different)} computed from what was known then differ: `platform-assets features explain` shows the events"
    return state, values, FeaturesAgain("different", sentence, answer)


def _features_of_today(
    catalog: Catalog,
    model: AnsweringModel,
    row: Mapping[str, Any],
    logged: FeatureValues,
    tables: Sequence[TableThen],
    error: LakeVersionMissing,
) -> tuple[FeatureValues | None, FeaturesAgain]:
    """What is left when the versions of then are gone."""
    gone = "; ".join(
        _gone(table, catalog.use_case.retention.keep_days) for table in tables if table.replaced_at is not None
    )
    expired = f"what the lake held when it was scored has expired: {gone or error}"
    today = features_today(catalog, row)
    if today is not None and all(same_number(value, today[name]) for name, value in logged.items()):
        sentence = f"{expired}; every feature is equal to the bit to what the feature tables say today"
        return today, FeaturesAgain("as the tables say today", sentence, answer_again(model, today, row))
    return None, FeaturesAgain("expired", f"{expired}; today's feature tables say otherwise, or nothing", None)


def _gone(table: TableThen, keep_days: int) -> str:
    assert table.replaced_at is not None, "asked for replaced versions only"
    removed = "" if table.removed_at is None else f", files removed {table.removed_at:%Y-%m-%d %H:%M} UTC"
    return (
        f"{table.table} version {table.version} was replaced {table.replaced_at:%Y-%m-%d %H:%M} UTC and kept for "
        f"{keep_days} days (`retention.keep_days`){removed}"
    )


def _output(model: AnsweringModel, row: Mapping[str, Any]) -> int:
    """Index of the class that was answered; 0 without classes."""
    classes = model.predictor.classes
    return classes.index(row["decision"]) if row["decision"] in classes else 0
