"""A missing tool is loud: skipped with what to run on a laptop, a failure where CI says so."""

from pathlib import Path

import pytest

from platform_assets_tests.kubernetes import tools


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_tool_ends_the_test_with_what_to_run(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tools, "HOME_OF_TOOLS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"helm is missing: run deploy/ci/install-k8s-tools.sh"):
        tools.tool("helm")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "helm").touch()
    assert tools.tool("helm") == tmp_path / "bin" / "helm"
