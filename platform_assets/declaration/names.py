"""Names of the assets that every use case has, whatever it declares.

Belongs here: the last part of asset keys `[use_case, layer, table]` that no team declares. Does not belong here: the
layers themselves (`lake/layout.py`), or dagster's `AssetKey` (`orchestration/assets/`).
"""

TRAINING_SET = "training_set"
ONLINE_STORE = "online_store"
EVALUATION = "evaluation"
CHAMPION = "champion"
ROLLBACK = "rollback"
MODEL_CARD = "card"
EXPERIMENT_DESIGN = "design"
SERVICE = "service"
DEPLOYMENT = "deployment"
PREDICTION_LOG = "prediction_log"
DAILY_PREDICTIONS = "daily"
DRIFT = "drift"
QUALITY = "quality"
PARITY = "parity"
FEATURE_QUALITY = "feature_quality"
TABLES = "tables"


def feed_name(source: str) -> str:
    """Last part of the asset key of an incremental source's feed."""
    return f"{source}_feed"
