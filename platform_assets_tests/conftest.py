"""Rules for all tests: the tier a test stands in says how slow it may be, and collection holds it to that.

Belongs here: what every tier shares. Does not belong here: fixtures of one tier (they have a conftest of their own).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FAST_TIERS = {"unit", "graph"}
CLUSTER_TIERS = {"contracts", "deploy", "kubernetes"}
"""Where `make k8s-test` looks for tests with the marker `kubernetes`: collecting all others takes longer than they do."""
SLOW_FIXTURES = {
    "model_world",
    "lived_in",
    "running_service",
    "target",
    "bento",
    "ran",
    "machine_failure",
    "energy_use",
    "bike_demand",
    "installation",
    "project_copy",
}
"""Fixtures that start servers, train models or run the pipeline."""
SHARED_WORLD = "test_lived_in"
"""Files whose name begins so share a world that takes two minutes to make: one worker runs them all."""


@pytest.fixture(autouse=True)
def stays_in_its_folder() -> Iterator[None]:
    """A test that leaves the process in another folder is red itself, and not the ones that run after it."""
    began = os.getcwd()
    try:
        yield
        ended = os.getcwd()
    finally:
        os.chdir(began)
    assert ended == began, f"left the process in {ended}"


def tier(path: Path) -> str:
    """The folder below `platform_assets_tests` that a test stands in."""
    return path.relative_to(Path(__file__).parent).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a fast test that uses a slow fixture, and mark the others as slow."""
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        if item.get_closest_marker("kubernetes") and tier(item.path) not in CLUSTER_TIERS:
            raise pytest.UsageError(
                f"{item.nodeid} has the marker `kubernetes` but stands in {tier(item.path)}/, where `make k8s-test` does not "
                f"look: move it to {', '.join(sorted(CLUSTER_TIERS))}"
            )
        if tier(item.path) not in FAST_TIERS:
            item.add_marker(pytest.mark.slow)
            continue
        used = SLOW_FIXTURES & set(getattr(item, "fixturenames", ()))
        if used:
            raise pytest.UsageError(
                f"{item.nodeid} stands in a fast tier ({tier(item.path)}/) but uses {', '.join(sorted(used))}: "
                "move it to pipeline/, gates/, serving/, model/ or deploy/"
            )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Like `--dist loadfile`, except that the files of a shared world stay together.

    `--dist loadgroup` would say the same with marks, but pytest-xdist 3.8 loses them under pytest 9.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByWorld(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return SHARED_WORLD if Path(file).name.startswith(SHARED_WORLD) else file

    return ByWorld(config, log)
