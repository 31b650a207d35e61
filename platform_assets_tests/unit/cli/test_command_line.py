"""What is the same for all commands, as somebody types them: home, exit codes, JSON, version, completion, messages of libraries."""

import atexit
import gc
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.cli.answer import ListedColumn, Listing
from platform_assets.cli.completion import model_names, use_case_names
from platform_assets.cli.console import fail_readably
from platform_assets.cli.library_messages import FILE, messages_of_libraries
from platform_assets.cli.start import PANELS, Commands
from platform_assets.declaration.problems import MOST_LINES
from platform_assets.deployment.environments import default_home, homes_of, project_folder

SHOWING = {
    "check", "sources check", "quarantine list", "quarantine show", "versions", "lineage column", "lineage touched",
    "features show", "features explain",
    "models list", "models compare", "models ledger", "models reproduce", "reproduce", "experiments design", "experiments report",
    "rollout status", "target status", "degraded", "lake verify", "alerts check", "status",
}  # fmt: skip


def typed(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which no variable names, and the current folder is below it."""
    for name in ("HOME", "LAKE", "MLFLOW", "ENVIRONMENT", "DAGSTER"):
        monkeypatch.delenv(f"PLATFORM_ASSETS_{name}", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "project" / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "project" / "dagster.yaml").write_text("")
    monkeypatch.chdir(tmp_path / "project" / "docs" / "deep")
    return tmp_path / "project"


def test_the_home_is_the_project_s_in_each_of_its_folders(project: Path) -> None:
    for folder in (project, project / "docs", project / "docs" / "deep"):
        assert default_home(folder) == project / ".platform" / "default"
    assert default_home(project.parent) == project.parent / ".platform" / "default"
    (project.parent / ".platform" / "small" / "lake").mkdir(parents=True)
    assert project_folder(project.parent) == project.parent, "homes mark a project as well"
    assert project_folder(project / "docs") == project, "the nearest counts"


def test_a_home_that_is_not_there_is_named_and_not_made(project: Path) -> None:
    code, shown, told = typed("models", "list")
    assert (code, shown) == (1, "")
    assert f"nothing is in the home {project}/.platform/default. `platform-assets run` fills it." in told
    assert not (project / ".platform").exists()
    (project / ".platform" / "small" / "lake").mkdir(parents=True)
    assert homes_of(project) == [project / ".platform" / "small"]
    assert f"export PLATFORM_ASSETS_HOME=.platform/small in {project}" in typed("status")[2]
    assert typed("models", "list", "--help")[0] == 0


def test_outside_of_a_project_the_way_into_one_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.parent)
    code, _, told = typed("versions")
    assert code == 1
    assert f"{project.parent} is in no project: go to the project's folder, or export PLATFORM_ASSETS_HOME" in told


def test_what_keeps_its_state_elsewhere_needs_no_home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_LAKE", str(project / "elsewhere"))
    assert "nothing is in the home" not in typed("quarantine", "list", "card_fraud")[2]


def test_a_misspelt_use_case_is_no_failure_but_a_mistake(project: Path) -> None:
    for words in (("check", "card_frau"), ("sources", "check", "card_frau"), ("lineage", "card_frau", "amount")):
        code, _, told = typed(*words)
        assert code == 2, words
        assert "there is no use case 'card_frau'; did you mean 'card_fraud'? known: bike_demand, card_fraud" in told
    assert typed("chekc")[0] == 2


def test_a_misspelt_variable_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ASSETS_HOEM", "elsewhere")
    monkeypatch.setenv("PLATFORM_ASSETS_SERVING_FEAST", "{}")
    monkeypatch.setenv("PLATFORM_ASSETS_NAMESPACE", "ml")
    monkeypatch.setenv("PLATFORM_ASSETS_IMAGE", "registry.example/platform")
    told = typed("check", "card_fraud")[2]
    assert told == "note: PLATFORM_ASSETS_HOEM is no setting, and says nothing; did you mean PLATFORM_ASSETS_HOME?"


def test_a_check_of_a_declaration_is_red_by_its_exit_code(project: Path) -> None:
    code, shown, _ = typed("check", "card_fraud")
    assert code == 0
    assert "usable" in shown
    (project / "defs.yaml").write_text("type: platform_assets.MlUseCase\nattributes:\n  nam: shop\n")
    code, shown, _ = typed("check", str(project / "defs.yaml"))
    assert code == 1
    assert "nam: there is no such field here; did you mean 'name'?" in shown
    assert len(shown.splitlines()) == 1 + MOST_LINES
    assert "more: `platform-assets check" in shown
    assert len(typed("check", str(project / "defs.yaml"), "--all")[1].splitlines()) > 1 + MOST_LINES


def test_json_is_the_whole_of_standard_output(project: Path) -> None:
    code, shown, _ = typed("check", "card_fraud", "--json")
    document = json.loads(shown)
    assert (code, document["format"]) == (0, 1)
    assert [(one["use_case"], one["usable"], one["problems"]) for one in document["declarations"]] == [
        ("card_fraud", True, [])
    ]
    (project / "defs.yaml").write_text("type: platform_assets.MlUseCase\nattributes: []\n")
    code, shown, _ = typed("check", str(project / "defs.yaml"), "--json")
    (problem,) = json.loads(shown)["declarations"][0]["problems"]
    assert code == 1
    assert (problem["line"], problem["field"]) == (2, "attributes")


def test_an_error_is_part_of_the_json(project: Path) -> None:
    code, shown, told = typed("check", "card_frau", "--json")
    assert code == 2
    assert json.loads(shown)["error"].startswith("there is no use case 'card_frau'")
    assert told.startswith("error: there is no use case")


def commands(command: Any, *path: str) -> dict[str, Any]:
    if not hasattr(command, "commands"):
        return {" ".join(path): command}
    return {name: one for word, below in command.commands.items() for name, one in commands(below, *path, word).items()}


def test_every_command_that_shows_something_can_show_it_to_a_program() -> None:
    with_json = {
        name
        for name, command in commands(typer.main.get_command(app)).items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json >= SHOWING


def test_a_listing_has_the_same_keys_for_people_and_programs() -> None:
    listing = Listing(
        "things",
        (
            ListedColumn("hidden", hidden=True),
            ListedColumn("name"),
            ListedColumn("size", right=True, shown="{:,}".format),
        ),
    )
    listing.add(hidden=1, name="[red]", size=1000)
    listing.add(name="b")
    assert listing.rows == [{"hidden": 1, "name": "[red]", "size": 1000}, {"hidden": None, "name": "b", "size": None}]
    assert [column.header for column in listing.table().columns] == ["name", "size"]
    assert listing.columns[1].text("[red]") == r"\[red]", "what is listed is no markup"
    with pytest.raises(ValueError, match="no column nam"):
        listing.add(nam="c")


def test_the_version_is_the_distribution_s() -> None:
    code, shown, _ = typed("--version")
    assert code == 0
    assert shown.startswith("platform-assets ")


def test_commands_have_their_panels() -> None:
    names = [name for group in PANELS.values() for name in group]
    assert len(names) == len(set(names))
    assert set(typer.main.get_command(app).commands) & set(names)  # type: ignore[attr-defined]


def test_names_are_completed(project: Path) -> None:
    assert use_case_names("card") == ["card_fraud"]
    assert model_names("bike") == ["bike_demand@"]
    assert model_names("card_fraud@ch") == ["card_fraud@champion", "card_fraud@challenger"]


def test_messages_of_libraries_are_kept_and_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = list(logging.getLogger().handlers)
    with messages_of_libraries(tmp_path, verbose=False):
        logging.getLogger("some.library").warning("a remark of its own")
        logging.getLogger("platform_assets.declaration").warning("draft is left out")
        warnings.warn("old in the next release", FutureWarning, stacklevel=1)
    shown = capsys.readouterr().err
    assert shown == "note: draft is left out\n"
    kept = (tmp_path / FILE).read_text()
    assert "a remark of its own" in kept
    assert "old in the next release" in kept
    assert logging.getLogger().handlers == before
    with messages_of_libraries(tmp_path / "missing", verbose=True):
        logging.getLogger("some.library").warning("a remark of its own")
    assert "a remark of its own" in capsys.readouterr().err
    assert not (tmp_path / "missing").exists()


def test_a_library_that_is_missing_is_named_with_what_installs_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, fail_readably():
        raise ModuleNotFoundError("No module named 'boto3'", name="boto3")
    assert ended.value.exit_code == 1
    assert "pip install 'platform-assets[s3]'" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError), fail_readably():
        raise ModuleNotFoundError("No module named 'platform_assets.gone'", name="platform_assets.gone")


def test_a_command_ends_without_a_last_search_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take seconds after the last line, where much was imported."""
    at_the_end: list[Any] = []
    monkeypatch.setattr(atexit, "register", at_the_end.append)
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    commands = Commands()
    commands.command()(lambda: None)
    commands([], standalone_mode=False)
    assert gc.freeze in at_the_end
