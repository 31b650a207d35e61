"""The label before as a baseline, in YAML alone."""

import pytest

from platform_assets.declaration import UseCase
from platform_assets.testing.declare import declare, window


def no_change(label: object, learner: dict[str, object]) -> UseCase:
    before = window("label_before", "last", "load", [28], delay_days=1)
    return declare(
        events={"id": "int64", "at": "datetime", "meter": "string"},
        label=label,  # type: ignore[arg-type]
        features=[{"name": "before", "entity": "meter", "windows": [before]}],
        training={
            "learners": [{"name": "no_change", "baseline": True, "feature": "label_before_28d", **learner}, OTHER]
        },
    )


OTHER = {"name": "trees", "kind": "xgboost"}


@pytest.mark.parametrize(
    ("label", "learner"),
    [
        ({"load": "float64"}, {"kind": "single_feature"}),
        ("load", {"kind": "rule", "settings": {"threshold": 0.5}}),
    ],
)
def test_the_label_before_is_a_baseline(label: object, learner: dict[str, object]) -> None:
    use_case = no_change(label, learner)
    assert use_case.training.learners[0].feature == "label_before_28d"
    assert use_case.feature_names == ("label_before_28d",)
