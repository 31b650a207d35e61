"""A use case that cannot be loaded is named in one line and takes no other down; where definitions are checked it is an error."""

import logging
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import platform_assets
from platform_assets.cli.run import steps
from platform_assets.declaration import loader
from platform_assets.declaration.loader import DeclarationError, declared_use_cases
from platform_assets.installation import Installation
from platform_assets.orchestration import assembly
from platform_assets.pipelines.check_declaration import check_declaration
from platform_assets.settings import Settings, definitions_are_checked

DEFS = Path(platform_assets.__file__).parent / "defs"


def no_yaml(path: Path) -> None:
    path.write_text("type: platform_assets.MlUseCase\nattributes: [\n")


def no_component(path: Path) -> None:
    path.write_text("something: else\n")


def unfinished(path: Path) -> None:
    path.write_text("type: platform_assets.MlUseCase\nattributes:\n  name: draft\n  description: nothing yet\n")


def contradicting(path: Path) -> None:
    """Valid by its schema, and not by what holds between sections."""
    text = (DEFS / "card_fraud" / "defs.yaml").read_text()
    path.write_text(
        text.replace("name: card_fraud", "name: draft", 1).replace("events: transactions", "events: nothing")
    )


def empty(path: Path) -> None:
    path.write_text("")


def a_copy(path: Path) -> None:
    """As people begin: the folder of another use case once more, with the name that stands in it."""
    shutil.copy(DEFS / "card_fraud" / "defs.yaml", path)


def copy_of_a_copy(path: Path) -> None:
    """The first folder in the alphabet is none that may take the name."""
    a_copy(path)
    shutil.copytree(path.parent, path.parent.parent / "another")


Fault = Callable[[Path], None]
FAULTS = [no_yaml, no_component, unfinished, contradicting, empty, a_copy]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of declarations with one that loads, and one that is called `draft`."""
    shutil.copytree(DEFS / "card_fraud", tmp_path / "card_fraud", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "draft").mkdir()
    monkeypatch.setattr(loader, "DEFINITIONS_FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("fault", FAULTS)
def test_the_others_are_found_and_the_draft_is_named_in_one_line(
    folder: Path, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    fault(folder / "draft" / "defs.yaml")
    with caplog.at_level(logging.WARNING):
        assert [declared.use_case.name for declared in declared_use_cases()] == ["card_fraud"]
    [record] = caplog.records
    assert record.getMessage().startswith("draft cannot be loaded and is left out: ")
    assert "\n" not in record.getMessage()
    caplog.clear()
    assert [declared.use_case.name for declared in declared_use_cases("card_fraud")] == ["card_fraud"]
    assert not caplog.records, "who asks for another one is not bothered"


@pytest.mark.parametrize("fault", FAULTS)
def test_who_asks_for_the_draft_gets_its_errors(folder: Path, fault: Fault) -> None:
    fault(folder / "draft" / "defs.yaml")
    with pytest.raises(DeclarationError, match=r"draft/defs\.yaml"):
        declared_use_cases("draft")


def test_of_folders_with_one_name_the_one_that_is_called_so_has_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_of_a_copy(folder / "draft" / "defs.yaml")
    [declared] = declared_use_cases("card_fraud")
    assert declared.folder == folder / "card_fraud"
    assert check_declaration(folder / "card_fraud").name == "card_fraud"
    message = r"draft/defs\.yaml:4: name: 'card_fraud' is the name of the use case in the folder card_fraud: give this one another"
    with pytest.raises(DeclarationError, match=message):
        check_declaration(folder / "draft" / "defs.yaml")
    (folder / "card_fraud" / "defs.yaml").unlink()
    [declared] = declared_use_cases("card_fraud")
    assert declared.folder == folder / "another", "who has nobody to yield to is left"


def test_a_folder_of_drafts_alone_is_an_error(folder: Path) -> None:
    unfinished(folder / "draft" / "defs.yaml")
    shutil.rmtree(folder / "card_fraud")
    with pytest.raises(DeclarationError, match="draft"):
        declared_use_cases()


def test_dagster_shows_the_others_and_a_check_is_red(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished(folder / "draft" / "defs.yaml")

    def refused(**given: Any) -> dg.Definitions:
        raise dg.DagsterInvalidDefinitionError("draft/defs.yaml: 'sources' is a required property")

    monkeypatch.setattr(dg, "load_from_defs_folder", refused)
    installation = Installation(Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "home")}))
    lines: list[str] = []
    graph = assembly.installed_definitions(installation, lines.append).resolve_asset_graph()
    assert {key.path[0] for key in graph.get_all_asset_keys()} == {"card_fraud"}
    assert [line.partition(":")[0] for line in lines] == ["draft cannot be loaded and is left out"]
    with pytest.raises(assembly.MistakesInDeclarations, match=r"draft/defs\.yaml:2: owner: is missing") as refused:
        assembly.installed_definitions(installation, lines.append, strict=True)
    try:
        raise RuntimeError("as Dagster hands it on") from refused.value
    except RuntimeError as error:
        shown = traceback.TracebackException.from_exception(error)
    assert shown.__cause__ is not None
    assert not shown.__cause__.stack, "`dg check defs` prints what is wrong, and no frame of ours"


def test_a_run_names_a_draft_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The definitions and the list of use cases both meet it; who runs reads of it in one line, on the screen."""
    unfinished(folder / "draft" / "defs.yaml")
    lines: list[str] = []

    def refused(**given: Any) -> dg.Definitions:
        raise dg.DagsterInvalidDefinitionError("draft/defs.yaml: 'sources' is a required property")

    class ReachedTheEnd(Exception):
        """Nothing of the run itself is needed here."""

    def first_step(*given: Any) -> None:
        raise ReachedTheEnd

    monkeypatch.setattr(dg, "load_from_defs_folder", refused)
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: None)
    monkeypatch.setattr(steps.console, "print", lambda line="", **given: lines.append(str(line)))
    monkeypatch.setattr(logging.getLogger(loader.__name__), "warning", lines.append)
    monkeypatch.setattr("platform_assets.deployment.local.LocalTarget.ensure_running", first_step)
    installation = Installation(Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "home")}))
    with pytest.raises(ReachedTheEnd):
        steps._run_use_cases(installation, None, beyond_budget=False)
    assert len([line for line in lines if line.startswith("draft cannot be loaded and is left out")]) == 1


def test_a_use_case_whose_own_module_fails_is_a_draft_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(folder / "card_fraud" / "defs.yaml", folder / "draft" / "defs.yaml")
    path = folder / "draft" / "defs.yaml"
    path.write_text(path.read_text().replace("name: card_fraud", "name: draft", 1))
    built = assembly.use_case_definitions

    def building(use_case: Any, where: Path) -> dg.Definitions:
        if use_case.name == "draft":
            raise ImportError("no module named 'features_of_tomorrow'")
        return built(use_case, where)

    def refused(**given: Any) -> dg.Definitions:
        raise ImportError("no module named 'features_of_tomorrow'")

    monkeypatch.setattr(dg, "load_from_defs_folder", refused)
    monkeypatch.setattr(assembly, "use_case_definitions", building)
    installation = Installation(Settings.from_environment({"PLATFORM_ASSETS_HOME": str(tmp_path / "home")}))
    lines: list[str] = []
    graph = assembly.installed_definitions(installation, lines.append).resolve_asset_graph()
    assert {key.path[0] for key in graph.get_all_asset_keys()} == {"card_fraud"}
    assert lines == ["draft cannot be loaded and is left out: no module named 'features_of_tomorrow'"]


def test_definitions_are_checked_where_dagster_says_so() -> None:
    assert definitions_are_checked({"DAGSTER_IS_DEFS_VALIDATION_CLI": "1"})
    assert not definitions_are_checked({})
