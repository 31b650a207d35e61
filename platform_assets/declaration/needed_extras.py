"""Which extras of the distribution a use case needs to be run.

Belongs here: what follows from the declaration alone. Does not belong here: what an installation's settings add (`settings.py`), or the
check (`extras.py`): a declaration can be read, compared and served from anywhere, and needs its extras only where it is run.
"""

from collections.abc import Iterator

from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS
from platform_assets.declaration.serving_platforms import DECLARED_PLATFORMS
from platform_assets.declaration.use_case import UseCase
from platform_assets.extras import APART, NeededExtra


def needed_extras(use_case: UseCase) -> tuple[NeededExtra, ...]:
    """Each extra that a use case needs, with the place of its declaration that needs it."""
    return tuple(_found(use_case))


def _found(use_case: UseCase) -> Iterator[NeededExtra]:
    for source in use_case.sources:
        if source.connector.extra:
            yield NeededExtra(source.connector.extra, f"source {source.name} ({source.connector.kind})")
    training, serving = use_case.training, use_case.serving
    for learner in training.learners:
        if extra := DECLARED_LEARNERS[learner.kind].extra:
            yield NeededExtra(extra, f"learner {learner.name} ({learner.kind})")
        if learner.search is not None and learner.search.extra:
            yield NeededExtra(learner.search.extra, f"search of learner {learner.name} ({learner.search.engine})")
    if use_case.tracking in APART:
        yield NeededExtra(use_case.tracking, f"tracking: {use_case.tracking}")
    if use_case.is_realtime:
        yield NeededExtra("serving", f"serving.mode {serving.mode}")
    if use_case.scores_stream:
        yield NeededExtra("kafka", f"serving.mode {serving.mode}")
    if serving.platform and DECLARED_PLATFORMS[serving.platform].extra:
        yield NeededExtra(DECLARED_PLATFORMS[serving.platform].extra, f"serving.platform {serving.platform}")
