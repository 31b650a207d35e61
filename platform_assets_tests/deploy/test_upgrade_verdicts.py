"""What `make upgrade-test` calls a failure."""

import pytest

from platform_assets_tests.deploy.upgrade import UpgradeFailed, commit_before, require_equal
from platform_assets_tests.kubernetes.tools import ROOT
from platform_assets_tests.unit.deployment.gitops_files import git

BEFORE = ((0.25, "1"), (0.5, "1"))


def test_an_answer_that_differs_in_its_last_bit_is_named() -> None:
    assert "2 of 2 answers equal to the bit" in require_equal(BEFORE, BEFORE, "today")
    after = ((0.25, "1"), (0.5000000000000001, "1"))
    with pytest.raises(UpgradeFailed, match=r"today: 1 of 2 answers differ; request 1 was \(0.5, '1'\)"):
        require_equal(BEFORE, after, "today")


def test_it_comes_from_the_commit_that_is_named() -> None:
    assert commit_before("HEAD") == git(ROOT, "rev-parse", "HEAD").strip()
