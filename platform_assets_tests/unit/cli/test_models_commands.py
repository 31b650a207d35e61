"""`platform-assets models list, compare, promote, ledger` as they are typed; the registry is in memory, the ledger in a lake."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from platform_assets.cli import app
from platform_assets.registry.base import CHAMPION, MODEL_FOLDER, VERDICT_TAG, RegisteredVersion
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import COMPARISON_FILE, PREDICTOR, VERDICT_FILE
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.training import artifact
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner

NAME = "card_fraud"
Run = Callable[..., str]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """Version 1, evaluated where there was no champion, and versions 2 and 3, the same model, compared with version 1."""
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(tmp_path))
    monkeypatch.delenv("PLATFORM_ASSETS_ENVIRONMENT", raising=False)
    registry = FakeRegistry()
    for number, share, compared in ((1, 0.25, None), (2, 0.5, "1"), (3, 0.5, "1")):
        folder = tmp_path / "runs" / str(number)
        model = folder / MODEL_FOLDER / "data" / PREDICTOR
        y = (np.arange(8) < 8 * share).astype(np.float64)
        rows = Dataset(
            np.zeros((8, 1)), y, np.full(8, np.datetime64("2018-05-01", "D")), None, np.arange(8), ("amount",)
        )
        digest = artifact.save(fit_predictor(rows, make_learner("constant"), 0), model)
        fold = {"metrics": {"average_precision": share}, "train_rows": 8, "test_rows": 8}
        constant = {"mean": fold["metrics"], "std": {"average_precision": 0.0}, "by_fold": [fold]}
        comparison = {"metrics": {"average_precision": True}, "folds": [{"test_first": "a", "test_last": "b"}]}
        (folder / COMPARISON_FILE).write_text(json.dumps({**comparison, "candidates": {"constant": constant}}))
        evidence = {
            "passed": True,
            "reason": "It is better.",
            "model_version": str(number),
            "champion": compared,
            "gates": [],
        }
        (folder / VERDICT_FILE).write_text(json.dumps(evidence))
        tags = {
            "as_of": f"2018-06-0{number}",
            "learner": "constant",
            "model_digest": digest,
            VERDICT_TAG: "passed" if evidence["passed"] else "failed",
        }
        registry.add(RegisteredVersion(NAME, str(number), f"run {number}", tags), folder, average_precision=0.5)
    monkeypatch.setattr(ModelStore, "registry", lambda self: registry.of(self.environment))
    return registry


@pytest.fixture
def run(registry: FakeRegistry) -> Run:
    def run(*arguments: str, fails: bool = False) -> str:
        result = CliRunner().invoke(app, ["models", *arguments])
        assert result.exit_code == int(fails), result.output
        return " ".join(result.output.split())

    return run


def test_a_version_goes_from_production_to_staging_and_each_has_a_ledger_of_its_own(
    registry: FakeRegistry, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "version 1 is the champion of production; before: none" in run("promote", f"{NAME}@1")
    told = run("promote", f"{NAME}@2", "--to", "staging", "--who", "head of risk", "--why", "a trial")
    assert "version 2 is the champion of staging; before: none It is better." in told
    assert told.endswith(f"next: PLATFORM_ASSETS_ENVIRONMENT=staging platform-assets models ledger {NAME}")
    assert registry.store.named[NAME] == {CHAMPION: "1", "staging-champion": "2"}
    assert "the champion of staging already" in run("promote", f"{NAME}@2", "--to", "staging")
    assert "head of risk" not in run("ledger", NAME)
    monkeypatch.setenv("PLATFORM_ASSETS_ENVIRONMENT", "staging")
    ledger = run("ledger", NAME)
    assert "ledger of card_fraud (staging)" in ledger
    assert "promoted 2 head of risk: a trial. It is better" in ledger


def test_what_cannot_be_promoted_is_told_and_moves_nothing(registry: FakeRegistry, run: Run) -> None:
    assert "there are dev, staging, production" in run("promote", f"{NAME}@1", "--to", "stage", fails=True)
    assert "has no version '9'" in run("promote", f"{NAME}@9", fails=True)
    assert "write MODEL@VERSION" in run("promote", NAME, fails=True)
    run("promote", f"{NAME}@1", "--to", "dev")
    run("promote", f"{NAME}@2", "--to", "dev")
    told = run("promote", f"{NAME}@3", "--to", "dev", fails=True)
    assert "compared with version 1, but the champion of dev is version 2 now" in told
    assert "PLATFORM_ASSETS_ENVIRONMENT=dev dg launch" in told
    assert registry.store.named[NAME] == {"dev-champion": "2"}


def test_the_list_ends_with_what_to_do_next(registry: FakeRegistry, run: Run) -> None:
    assert run("list", NAME).endswith(f"next: platform-assets models promote {NAME}@3")
    registry.set_alias(NAME, CHAMPION, "1")
    assert run("list", NAME).endswith(f"next: platform-assets models compare {NAME}@3")
    registry.set_alias(NAME, CHAMPION, "3")
    assert run("list", NAME).endswith(f"next: platform-assets models compare {NAME}@3 2")


def test_the_list_says_which_versions_were_judged_and_how(registry: FakeRegistry, run: Run) -> None:
    assert run("list", NAME).count("passed") == 3
    newest = registry.get(NAME, "3").tags
    newest[VERDICT_TAG] = "failed"  # type: ignore[index]
    assert run("list", NAME).endswith(f"next: platform-assets models ledger {NAME}")
    del newest[VERDICT_TAG]  # type: ignore[attr-defined]
    told = run("list", NAME)
    assert "not judged" in told
    assert told.endswith("""next: dg launch --assets 'key:"card_fraud/model/evaluation"' --partition 2018-06-03""")


def test_two_versions_are_compared_and_the_same_model_is_called_the_same(registry: FakeRegistry, run: Run) -> None:
    registry.set_alias(NAME, CHAMPION, "1")
    told = run("compare", f"{NAME}@2")
    assert "0.5000 ± 0.0000 0.2500 ± 0.0000 +0.2500, better in 1 of 1 folds" in told
    assert "the same model" not in told
    assert "both are the same model to the byte" in run("compare", f"{NAME}@2", "3")
    assert "both are version 1" in run("compare", f"{NAME}@1", fails=True)


def test_a_refused_model_is_shown_with_its_figures_and_why(registry: FakeRegistry, run: Run, tmp_path: Path) -> None:
    gate = {"name": "floor_auc_roc", "passed": False, "explanation": "auc_roc is 0.5100; its floor is 0.8."}
    evidence = {"passed": False, "reason": "x", "gates": [gate, {"name": "other", "passed": True, "explanation": "y"}]}
    (tmp_path / "runs" / "2" / VERDICT_FILE).write_text(json.dumps(evidence))
    alone = run("compare", f"{NAME}@2")
    assert "constant * average_precision 0.5000 ± 0.0000" in alone
    assert "version 2: refused by its gates floor_auc_roc auc_roc is 0.5100; its floor is 0.8." in alone
    assert "there is no champion" in alone
    registry.set_alias(NAME, CHAMPION, "1")
    both = run("compare", f"{NAME}@2")
    assert "0.5000 ± 0.0000 0.2500 ± 0.0000" in both
    assert "version 2: refused by its gates floor_auc_roc" in both
    assert "version 1: gates passed" in both


def test_the_ledger_s_lines_are_not_wrapped_and_deployments_name_versions(registry: FakeRegistry, run: Run) -> None:
    from platform_assets.cli.models.ledger import _cut, _version_of

    assert _cut("a long reason", 8) == "a long…"
    assert (_version_of("v12-5d3adf28776f"), _version_of("12"), _version_of("")) == ("12", "12", "")


def test_a_rollback_typed_by_hand_uses_the_runs_of_the_folder_it_is_typed_in(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    for name in ("DAGSTER_HOME", "PLATFORM_ASSETS_DAGSTER"):
        monkeypatch.setenv(name, "taken away again at the end")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    seen: list[tuple[str | None, str | None]] = []

    def get() -> dg.DagsterInstance:
        seen.append((os.environ.get("DAGSTER_HOME"), os.environ.get("PLATFORM_ASSETS_DAGSTER")))
        raise dg.DagsterError("no instance.")

    monkeypatch.setattr(dg.DagsterInstance, "get", get)
    asked = ["models", "rollback", "card_fraud", "--why", "to see"]
    assert "Set DAGSTER_HOME as `make` does" in " ".join(CliRunner().invoke(app, asked).output.split())
    (tmp_path / "dagster.yaml").touch()
    CliRunner().invoke(app, asked)
    assert seen[0] == (None, None)
    assert seen[1][0] == str(tmp_path)
    assert seen[1][1] is not None
    assert seen[1][1].endswith("/dagster")
