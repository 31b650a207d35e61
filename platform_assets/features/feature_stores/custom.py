"""A feature store of a team's own: what their function opens, held to the Protocol.

Belongs here: calling the function that a declaration names. Does not belong here: any store, or the suite that theirs has to pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from platform_assets.declaration import UseCase
from platform_assets.features.feature_stores.base import FeatureStoreError, PublishingStore, StoreOpener
from platform_assets.members import imported

_CALLS = ("apply", "described", "take_day", "read_day")


def _opened(use_case: UseCase, variables: Mapping[str, str], object_store: Mapping[str, str]) -> PublishingStore:
    declared = use_case.custom_feature_store
    assert declared is not None, "a declaration without it is refused"
    store = imported(declared.opened_by)(dict(declared.settings), variables)
    lacking = [name for name in _CALLS if not callable(getattr(store, name, None))]
    if lacking:
        raise FeatureStoreError(
            f"{declared.opened_by} returned {type(store).__name__}, which has no {', '.join(lacking)}: return a store with "
            f"{', '.join(_CALLS)}: docs/guide/options.md has a template"
        )
    opened: PublishingStore = store
    return opened


OPENED: StoreOpener = _opened
