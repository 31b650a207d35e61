"""Tests here put a list of use cases of their own in the loader's place.

A module that takes the loader's function by name, and is imported for the first time meanwhile, would keep the stand-in for the tests
after it: all of them are imported before.
"""

import platform_assets.cli.features.stream
import platform_assets.cli.features.values
import platform_assets.cli.models.ledger
import platform_assets.cli.models.lookup
import platform_assets.cli.models.versions
import platform_assets.cli.predict.batch
import platform_assets.cli.predict.stream
import platform_assets.cli.run.rehearsal
import platform_assets.cli.services  # noqa: F401
