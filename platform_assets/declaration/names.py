"""Names that no team declares: of the assets that every use case has, and of what the proxy tells a service.

Belongs here: the last part of asset keys `[use_case, layer, table]`, headers between proxy and service. Does not belong here: the
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
ROLLOUT = "rollout"
DELIVERY = "delivery"
PREDICTION_LOG = "prediction_log"
SHADOW_LOG = "shadow_log"
DAILY_PREDICTIONS = "daily"
DRIFT = "drift"
QUALITY = "quality"
RETRAIN_DECISION = "retrain_decision"
ESTIMATE = "estimated_quality"
BUSINESS_MEASURES = "business_measures"
PARITY = "parity"
EXPLANATIONS = "explanations"
PAGE = "page"
USAGE = "usage"
FEATURE_QUALITY = "feature_quality"
TABLES = "tables"
EXPERIMENT_REPORT = "experiment_report"

SHADOW_HEADER = "x-platform-assets-shadow"
"""On the copies of requests that a version gets which answers nobody; a caller's own is removed."""
VARIANT_HEADER = "x-platform-assets-variant"
"""What the proxy says of a request's entity while an A/B test runs; a caller's own is removed."""
EXPERIMENT_HEADER = "x-platform-assets-experiment"
"""Which test that is, and how it splits the traffic; a caller's own is removed."""
ARM_HEADER = "x-platform-assets-arm"
"""The arm that a request was sent to, where a gateway cannot mark copies: an arm that reads another's name got a copy."""
PROXY_HEADERS = (SHADOW_HEADER, VARIANT_HEADER, EXPERIMENT_HEADER, ARM_HEADER)
"""What the proxy alone may say of a request."""

SHADOW_HEADER = "x-platform-assets-shadow"
"""Marks the copy of a request that a version in shadow gets. The proxy sets it on copies and takes it from what callers send."""


def feed_name(source: str) -> str:
    """Last part of the asset key of an incremental source's feed."""
    return f"{source}_feed"
