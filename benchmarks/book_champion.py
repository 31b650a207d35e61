"""The declaration that is set against the book: features and learner of `book_champion.yaml`, on card_fraud's sources and folds.

Belongs here: reading that declaration. Does not belong here: the use case's own, which the table measures next to it; fitting.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from platform_assets.spec import UseCase
from platform_assets.spec.features import FeatureView
from platform_assets.spec.training import Learner
from platform_assets.spec.window_problems import window_problems

DECLARATION = Path(__file__).with_name("book_champion.yaml")


def against_the_book(use_case: UseCase) -> UseCase:
    """The use case with the features and the learner that are set against the book.

    Raises:
        ValueError: a window would know what is not known yet, or the declaration does not fit the use case.
    """
    document = yaml.safe_load(DECLARATION.read_text(encoding="utf-8"))
    views = tuple(FeatureView.model_validate(view) for view in document["features"])
    learner = Learner.model_validate(document["learner"])
    training = use_case.training.model_copy(update={"learners": (learner,)})
    changed = use_case.model_copy(update={"features": views, "training": training})
    problems = [problem for view in views for problem in window_problems(changed, view)]
    if problems:
        raise ValueError(f"{DECLARATION.name}: {problems}; correct the declaration")
    unknown = sorted(set(learner.monotone) - set(changed.feature_names))
    if unknown:
        raise ValueError(
            f"{DECLARATION.name}: monotone names {unknown}, which are no features; correct the declaration"
        )
    return changed
