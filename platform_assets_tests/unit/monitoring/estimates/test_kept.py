"""An estimate is held to the bound by its whole interval, and only where it may be believed."""

import pytest

from platform_assets.monitoring.estimates.belief import Belief, Standing
from platform_assets.monitoring.estimates.estimate import MetricEstimate
from platform_assets.monitoring.estimates.kept import EstimateStatus, causes_of, judged

ESTIMATE = MetricEstimate("auc_roc", 0.60, 0.55, 0.65, 1000)


@pytest.mark.parametrize(
    ("bound", "standing", "rows", "status"),
    [
        (0.70, "believed", 1000, "violated"),
        (0.70, "unconfirmed", 1000, "violated"),
        (0.62, "believed", 1000, "ok"),
        (0.70, "withdrawn", 1000, "withdrawn"),
        (0.62, "believed", 499, "no_verdict"),
    ],
)
def test_the_whole_interval_decides(bound: float, standing: Standing, rows: int, status: EstimateStatus) -> None:
    belief = Belief(standing, "why.", ())
    found, text = judged({"auc_roc": ESTIMATE}, {}, {"auc_roc": bound}, {"auc_roc": True}, "auc_roc", belief, rows, 500)
    assert found == status, text
    assert causes_of(found) == (["estimated_quality"] if status == "violated" else [])


def test_an_error_is_violated_above_its_bound() -> None:
    one = MetricEstimate("rmse", 5.0, 4.5, 5.5, 1000)
    believed = Belief("believed", "", ())
    assert judged({"rmse": one}, {}, {"rmse": 4.0}, {"rmse": False}, "rmse", believed, 1000, 500)[0] == "violated"
    assert judged({"rmse": one}, {}, {"rmse": 5.2}, {"rmse": False}, "rmse", believed, 1000, 500)[0] == "ok"


def test_a_metric_without_an_estimate_says_why() -> None:
    status, text = judged({}, {"auc_roc": "hardly any positive"}, {}, {}, "auc_roc", None, 1000, 500)
    assert status == "no_verdict"
    assert "hardly any positive" in text
