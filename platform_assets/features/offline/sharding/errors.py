"""What can go wrong when a backfill is done in shards.

Belongs here: the error types. Does not belong here: their messages, which are written where the fault is found.
"""

from platform_assets.features.errors import FeatureError


class ShardFailed(FeatureError):
    """A shard or a chunk failed as often as it may; the message names it, and nothing was committed."""


class ScratchFull(FeatureError):
    """There is no room for what waits between two stages; the message names the folder."""
