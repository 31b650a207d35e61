"""A branch goes to `main` once every runner is green, and never otherwise."""

from pathlib import Path

import pytest

from platform_assets_tests.deploy.chain_ci import MergeRefused, merge_by_itself, push_branch
from platform_assets_tests.deploy.ci.runners import RUNNERS, RunnerVerdict
from platform_assets_tests.unit.deployment.gitops_files import bare_repository, git

GREEN = RunnerVerdict(True, "### ✅ all 14 gates kept", "")
RED = RunnerVerdict(False, "### ❌ 1 of 14 gates broken: limits", "")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with a branch `change`."""
    origin = bare_repository(tmp_path / "code.git")
    git(tmp_path, "clone", "-q", str(origin), str(tmp_path / "work"))
    (tmp_path / "work" / "file").write_text("new")
    git(tmp_path / "work", "add", "-A")
    git(tmp_path / "work", "commit", "-qm", "A change")
    push_branch(tmp_path / "work", "change")
    return origin


@pytest.mark.parametrize("red", list(RUNNERS))
def test_one_red_runner_is_enough(red: str, origin: Path, tmp_path: Path) -> None:
    before = git(origin, "rev-parse", "main")
    verdicts = dict.fromkeys(RUNNERS, GREEN) | {red: RED}
    with pytest.raises(MergeRefused, match=f"{red}: .*1 of 14 gates broken: limits"):
        merge_by_itself("change", verdicts, origin, tmp_path)
    with pytest.raises(MergeRefused, match=f"{red}: did not run"):
        merge_by_itself("change", {name: GREEN for name in RUNNERS if name != red}, origin, tmp_path)
    assert git(origin, "rev-parse", "main") == before


def test_two_green_ones_merge_it(origin: Path, tmp_path: Path) -> None:
    merge_by_itself("change", dict.fromkeys(RUNNERS, GREEN), origin, tmp_path)
    assert git(origin, "show", "main:file") == "new"
