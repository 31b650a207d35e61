"""One of two classes: the label is 0 or 1, the score the probability of 1, and a threshold decides.

Belongs here: what may be declared for this kind. Does not belong here: computing anything (`platform_assets/tasks/binary`).
"""

from platform_assets.declaration.tasks.base import DeclaredTask

BINARY = DeclaredTask(
    name="binary",
    model_name="classifier",
    objective="binary",
    metrics={
        "auc_roc": True,
        "average_precision": True,
        "accuracy": True,
        "balanced_accuracy": True,
        "precision": True,
        "recall": True,
        "f1": True,
        "mcc": True,
        "group_precision_at_100": True,
        "brier": False,
        "log_loss": False,
        "calibration_error": False,
    },
    single_feature_metrics=("auc_roc", "average_precision"),
    carried_out_by="platform_assets.tasks.binary.task:BINARY",
    gate_fields=frozenset({"max_calibration_error", "max_relative_calibration_error", "max_calibration_ratio"}),
    has_decision=True,
    has_probabilities=True,
)
"""`accuracy`, `balanced_accuracy`, `precision`, `recall`, `f1` and `mcc` are those of decisions: what scores at or above the declared
threshold is flagged."""
