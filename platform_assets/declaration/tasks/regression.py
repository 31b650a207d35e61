"""A value: the label is a number, and so is the answer.

Belongs here: what may be declared for this kind. Does not belong here: computing anything (`platform_assets/tasks/regression`).
"""

from platform_assets.declaration.tasks.base import DeclaredTask

REGRESSION = DeclaredTask(
    name="regression",
    model_name="regressor",
    objective="regression",
    metrics={"rmse": False, "mae": False, "mean_error": False, "r2": True},
    single_feature_metrics=("r2",),
    carried_out_by="platform_assets.tasks.regression.task:REGRESSION",
)
