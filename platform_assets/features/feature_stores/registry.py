"""What publishes feature tables, for each value of `feature_store`.

Belongs here: finding it. Does not belong here: the stores, or the list of those that can be declared (`declaration/options`).
"""

from platform_assets.declaration.options.base import Option
from platform_assets.declaration.options.feature_stores import FEATURE_STORE
from platform_assets.features.feature_stores.base import StoreOpener
from platform_assets.members import ImplementationRegistry


def _address(option: Option) -> str:
    return option.carried_out_by


FEATURE_STORES: ImplementationRegistry[StoreOpener] = ImplementationRegistry(FEATURE_STORE.options, _address)
