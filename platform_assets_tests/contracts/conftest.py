"""What the contracts of targets run on beside this machine.

Belongs here: a test cluster for those suites that ask for one. Does not belong here: what a target has to do (`test_targets.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from platform_assets.deployment.kubernetes.settings import ClusterSettings


@pytest.fixture(scope="module")
def new_namespace(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Callable[[], ClusterSettings]]":
    """Settings of a target in a namespace that nobody has used; the cluster is started by the first who asks."""
    with ExitStack() as running:
        worlds = []

        def settings() -> "ClusterSettings":
            if not worlds:
                from platform_assets_tests.kubernetes.serving_world import serving_world

                worlds.append(running.enter_context(serving_world(tmp_path_factory.mktemp("cluster"))))
            return worlds[0].settings(tmp_path_factory.getbasetemp())

        yield settings
