"""The command `platform-assets`: what `dg` and `dagster` do not already do.

Belongs here: commands and what they print. Does not belong here: anything that a job or an asset could do.
"""

from platform_assets.cli.main import app

__all__ = ["app"]
