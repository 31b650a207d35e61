"""What the declaration knows of a kind of learner: which fields it may have, and which objectives it is for.

Belongs here: one object for each kind that can be declared, and their list, which is the truth about what `training.learners[].kind` may
say. Does not belong here: settings, fitting and saving (`training/learners`, which also has learners that nobody declares).

A further learner is an object here that says by what it is carried out, a line in this list, and a file in `training/learners`.
"""

from dataclasses import dataclass

from platform_assets.declaration.tasks.base import Objective
from platform_assets.members import MemberRegistry


@dataclass(frozen=True)
class DeclaredLearnerKind:
    """A kind of learner.

    Attributes:
        name: what `training.learners[].kind` calls it, and the name of the learner in `training/learners`.
        carried_out_by: `package.module:OBJECT` of the `training.learners.base.LearnerKind` that fits and saves it.
        objectives: what it can be fitted for; empty for everything.
        may_name_feature: whether it can have a `feature`, which becomes its setting `column`.
        needs_feature: whether it has to.
        joins_others: whether it is made of the learners in its `of`.
        takes_monotone: whether it can have `monotone`, which becomes the setting of that name.
        takes_categories: whether it is given the places of `training.categories`, as its setting `categories`.
        names_estimator: whether it has an `estimator`.
        reads_amounts: whether it takes every input for an amount, with an order, so that codes mean nothing to it.
        library: shown on the model's asset, as Dagster spells it; empty for none.
        extra: of the distribution, needed to fit it, see `platform_assets/extras.py`; empty for none.
    """

    name: str
    carried_out_by: str
    objectives: tuple[Objective, ...] = ()
    may_name_feature: bool = False
    needs_feature: bool = False
    joins_others: bool = False
    takes_monotone: bool = False
    takes_categories: bool = False
    names_estimator: bool = False
    reads_amounts: bool = False
    library: str = ""
    extra: str = ""


CONSTANT = DeclaredLearnerKind("constant", "platform_assets.training.learners.constant:KIND")
SINGLE_FEATURE = DeclaredLearnerKind(
    "single_feature",
    "platform_assets.training.learners.single:KIND",
    objectives=("binary", "regression"),
    may_name_feature=True,
    needs_feature=True,
)
LAST_VALUE = DeclaredLearnerKind(
    "last_value", "platform_assets.training.learners.last_value:KIND", objectives=("regression",), may_name_feature=True
)
RULE = DeclaredLearnerKind(
    "rule", "platform_assets.training.learners.rule:KIND", may_name_feature=True, needs_feature=True
)
LOGISTIC_REGRESSION = DeclaredLearnerKind(
    "logistic_regression",
    "platform_assets.training.learners.linear:LOGISTIC_REGRESSION",
    objectives=("binary", "multiclass"),
    takes_categories=True,
)
RIDGE = DeclaredLearnerKind(
    "ridge", "platform_assets.training.learners.linear:RIDGE", objectives=("regression",), takes_categories=True
)
RANDOM_FOREST = DeclaredLearnerKind(
    "random_forest",
    "platform_assets.training.learners.forest:KIND",
    takes_monotone=True,
    reads_amounts=True,
    library="scikitlearn",
)
XGBOOST = DeclaredLearnerKind(
    "xgboost",
    "platform_assets.training.learners.boosting:KIND",
    takes_monotone=True,
    reads_amounts=True,
    library="xgboost",
)
TORCH_MLP = DeclaredLearnerKind(
    "torch_mlp",
    "platform_assets.training.learners.neural:KIND",
    takes_categories=True,
    library="pytorch",
    extra="torch",
)
ESTIMATOR = DeclaredLearnerKind(
    "estimator",
    "platform_assets.training.learners.estimator:KIND",
    takes_monotone=True,
    takes_categories=True,
    names_estimator=True,
)
BLEND = DeclaredLearnerKind("blend", "platform_assets.training.learners.ensemble:BLEND", joins_others=True)
STACK = DeclaredLearnerKind("stack", "platform_assets.training.learners.ensemble:STACK", joins_others=True)

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
