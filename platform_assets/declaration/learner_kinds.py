"""What the declaration knows of a kind of learner: which fields it may have, and which objectives it is for.

Belongs here: one object for each kind that can be declared, and their list, which is the truth about what `training.learners[].kind` may
say. Does not belong here: settings, fitting and saving (`training/learners`, whose list also holds learners that nobody declares).

A further learner is an object here with a line in this list, and a file in `training/learners` with a line in that list.
"""

from dataclasses import dataclass

from platform_assets.declaration.tasks.base import Objective
from platform_assets.members import MemberRegistry


@dataclass(frozen=True)
class DeclaredLearnerKind:
    """A kind of learner.

    Attributes:
        name: what `training.learners[].kind` calls it, and the name of the learner in `training/learners`.
        objectives: what it can be fitted for; empty for everything.
        may_name_feature: whether it can have a `feature`, which becomes its setting `column`.
        needs_feature: whether it has to.
        joins_others: whether it is made of the learners in its `of`.
        takes_monotone: whether it can have `monotone`, which becomes the setting of that name.
        takes_categories: whether it is given the places of `training.categories`, as its setting `categories`.
        names_estimator: whether it has an `estimator`.
        library: shown on the model's asset, as Dagster spells it; empty for none.
    """

    name: str
    objectives: tuple[Objective, ...] = ()
    may_name_feature: bool = False
    needs_feature: bool = False
    joins_others: bool = False
    takes_monotone: bool = False
    takes_categories: bool = False
    names_estimator: bool = False
    library: str = ""


CONSTANT = DeclaredLearnerKind("constant")
SINGLE_FEATURE = DeclaredLearnerKind(
    "single_feature", objectives=("regression",), may_name_feature=True, needs_feature=True
)
LAST_VALUE = DeclaredLearnerKind("last_value", objectives=("regression",), may_name_feature=True)
RULE = DeclaredLearnerKind("rule", may_name_feature=True, needs_feature=True)
LOGISTIC_REGRESSION = DeclaredLearnerKind(
    "logistic_regression", objectives=("binary", "multiclass"), takes_categories=True
)
RIDGE = DeclaredLearnerKind("ridge", objectives=("regression",), takes_categories=True)
RANDOM_FOREST = DeclaredLearnerKind("random_forest", takes_monotone=True, library="scikitlearn")
XGBOOST = DeclaredLearnerKind("xgboost", takes_monotone=True, library="xgboost")
TORCH_MLP = DeclaredLearnerKind("torch_mlp", takes_categories=True, library="pytorch")
ESTIMATOR = DeclaredLearnerKind("estimator", takes_monotone=True, takes_categories=True, names_estimator=True)
BLEND = DeclaredLearnerKind("blend", joins_others=True)
STACK = DeclaredLearnerKind("stack", joins_others=True)

_MODULE = "platform_assets.declaration.learner_kinds"
DECLARED_LEARNERS: MemberRegistry[DeclaredLearnerKind] = MemberRegistry(
    "learner",
    {
        "constant": f"{_MODULE}:CONSTANT",
        "single_feature": f"{_MODULE}:SINGLE_FEATURE",
        "last_value": f"{_MODULE}:LAST_VALUE",
        "rule": f"{_MODULE}:RULE",
        "logistic_regression": f"{_MODULE}:LOGISTIC_REGRESSION",
        "ridge": f"{_MODULE}:RIDGE",
        "random_forest": f"{_MODULE}:RANDOM_FOREST",
        "xgboost": f"{_MODULE}:XGBOOST",
        "torch_mlp": f"{_MODULE}:TORCH_MLP",
        "estimator": f"{_MODULE}:ESTIMATOR",
        "blend": f"{_MODULE}:BLEND",
        "stack": f"{_MODULE}:STACK",
    },
)


def learner_names() -> tuple[str, ...]:
    """Every kind of learner that can be declared, by name."""
    return DECLARED_LEARNERS.names


def declared_learners() -> tuple[DeclaredLearnerKind, ...]:
    """Every kind of learner that can be declared, in the order of the list."""
    return tuple(DECLARED_LEARNERS[name] for name in DECLARED_LEARNERS)
