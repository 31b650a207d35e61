"""The verbs of all steps, by kind.

Belongs here: the list. Does not belong here: a verb.
"""

from typing import Final

from platform_assets.declaration.names import (
    BUSINESS_MEASURES,
    CHAMPION,
    DAILY_PREDICTIONS,
    DEPLOYMENT,
    DRIFT,
    ESTIMATE,
    EVALUATION,
    EXPLANATIONS,
    FEATURE_QUALITY,
    MODEL_CARD,
    ONLINE_STORE,
    PARITY,
    PREDICTION_LOG,
    QUALITY,
    SERVICE,
    TRAINING_SET,
)
from platform_assets.lake.layout import CLEAN, FEATURES, RAW
from platform_assets.members import MemberRegistry
from platform_assets.pipelines.steps.base import StepVerb

_HERE = "platform_assets.pipelines.steps"
STEP_VERBS: Final[MemberRegistry[StepVerb]] = MemberRegistry(
    "kind of step",
    {
        RAW: f"{_HERE}.data:load_source",
        CLEAN: f"{_HERE}.data:publish_source",
        FEATURES: f"{_HERE}.data:compute_view",
        ONLINE_STORE: f"{_HERE}.data:fill_online_store",
        TRAINING_SET: f"{_HERE}.model:make_training_set",
        FEATURE_QUALITY: f"{_HERE}.model:judge_features",
        "model": f"{_HERE}.model:train_model",
        EVALUATION: f"{_HERE}.model:evaluate_model",
        CHAMPION: f"{_HERE}.model:promote_champion",
        MODEL_CARD: f"{_HERE}.model:write_card",
        SERVICE: f"{_HERE}.model:package_champion",
        DEPLOYMENT: f"{_HERE}.model:deploy_champion",
        PREDICTION_LOG: f"{_HERE}.watched:store_log",
        PARITY: f"{_HERE}.watched:compare_parity",
        DAILY_PREDICTIONS: f"{_HERE}.watched:predict_days",
        "delivered_scores": f"{_HERE}.watched:store_scores",
        DRIFT: f"{_HERE}.watched:judge_drift",
        ESTIMATE: f"{_HERE}.watched:judge_estimate",
        QUALITY: f"{_HERE}.watched:judge_quality",
        BUSINESS_MEASURES: f"{_HERE}.watched:judge_business",
        EXPLANATIONS: f"{_HERE}.watched:explain_some",
    },
)
