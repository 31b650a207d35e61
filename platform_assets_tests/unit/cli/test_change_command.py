"""`platform-assets change`: both sides are read by their own code, and the exit code says whether the gates are kept."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.orchestration.described_definitions import describe_checkout
from platform_assets.pipelines.change import sides
from platform_assets.testing.change_world import FUNCTIONS, declared, repository
from platform_assets.testing.planted_changes import BAD, SENSORS


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["change", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.output


def test_a_change_of_the_platforms_own_code_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with repository(tmp_path / "repository") as root:
        BAD["sensors off, in code"].make(root)
        monkeypatch.chdir(root)
        code, printed = run("check", "--base", "main", "--json", "--comment", str(tmp_path / "comment.md"))
    document = json.loads(printed)
    broken = {gate["gate"]: gate["broken"] for gate in document["gates"] if not gate["passed"]}
    assert code == 1
    assert [*broken] == ["automation"]
    assert "parking__due is off unless somebody turns it on" in [item["message"] for item in broken["automation"]]
    assert document["changes"]["automation"]
    assert "gates broken: automation" in (tmp_path / "comment.md").read_text()
    assert (Path(sides.__file__).parents[2] / Path(SENSORS).relative_to("platform_assets")).exists()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small repository without the platform's code, which is read in this process."""

    def described(root: Path) -> object:
        monkeypatch.syspath_prepend(str(root))
        return describe_checkout(root)

    monkeypatch.setattr(sides, "described", described)
    with repository(tmp_path / "repository", {}) as root:
        monkeypatch.chdir(root)
        return root


def test_diff_shows_and_judges_nothing(checkout: Path) -> None:
    declared(lambda d: d["gates"]["floors"][0].update(bound=0.1))(checkout)
    code, printed = run("diff", "--base", "main")
    assert code == 0
    assert "`parking.gates.floors.auc_roc.bound` looser: 0.7 → 0.1" in printed
    assert "broken" not in printed


def test_check_names_file_line_and_what_to_do(checkout: Path) -> None:
    declared(lambda d: d["gates"]["floors"][0].update(bound=0.1))(checkout)
    code, printed = run("check", "--base", "main", "--gate", "limits")
    assert code == 1
    assert "defs.yaml:" in printed
    assert "to do: tighten it again" in printed
    assert 'change: "parking gates.floors.auc_roc.bound"' in printed


def test_a_kept_change_is_told_as_kept(checkout: Path) -> None:
    code, printed = run("check", "--base", "main")
    assert code == 0
    assert "BROKEN" not in printed


def test_what_is_new_on_the_other_branch_is_no_part_of_the_change(checkout: Path) -> None:
    from platform_assets.testing.change_world import git

    git(checkout, "switch", "--quiet", "--create", "feature")
    git(checkout, "switch", "--quiet", "main")
    (checkout / FUNCTIONS).write_text((checkout / FUNCTIONS).read_text() + "\n# later\n")
    git(checkout, "commit", "--all", "--quiet", "--message", "Later")
    git(checkout, "switch", "--quiet", "feature")
    code, printed = run("diff", "--base", "main", "--json")
    assert (code, json.loads(printed)["changes"]) == (0, {})


def test_a_base_that_there_is_not_is_one_sentence(checkout: Path) -> None:
    code, printed = run("diff", "--base", "origin/nowhere")
    assert code == 1
    assert "'origin/nowhere' is no commit of" in printed
    assert "git fetch origin nowhere" in printed
