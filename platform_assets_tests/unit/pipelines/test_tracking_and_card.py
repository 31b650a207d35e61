"""What a training run tells MLflow, and the card that is made of it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.gates import Bypass
from platform_assets.declaration.sections.serving import Costs
from platform_assets.pipelines.model_card import CardSources, render_card
from platform_assets.pipelines.track_training import IMPORTANCES_FILE, THRESHOLDS_FILE, TRACKING, TrackedModel, track
from platform_assets.registry.mlflow_tracker import MlflowRun
from platform_assets.registry.training_run import DECLARATION_FILE, ModelRun, read_model_run
from platform_assets_tests.sound_page import assert_is_sound

from .conftest import Trained


class Client:
    """Remembers what was logged, one entry for each request."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def log_batch(self, run_id: str, **logged: Any) -> None:
        self.requests.append(logged)


def with_costs(use_case: UseCase) -> UseCase:
    rule = use_case.serving.decision
    assert rule is not None
    priced = rule.model_copy(update={"costs": Costs(missed="amount", false_alarm=2.0, currency="EUR")})
    return use_case.model_copy(update={"serving": use_case.serving.model_copy(update={"decision": priced})})


@pytest.fixture(scope="module")
def tracked(
    use_case: UseCase, first: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrackedModel, Client, ModelRun]:
    """The first model's run with everything that is tracked beside it."""
    folder = tmp_path_factory.mktemp("tracked")
    for path in first.run.folder.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(first.run.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    client = Client()
    run = MlflowRun(client, "run 1", None, "dagster run")
    found = track(
        run, folder, with_costs(use_case), first.run.predictor(), first.comparison, first.version.tags["learner"]
    )
    return found, client, read_model_run(folder)


def test_metrics_go_out_fold_by_fold_in_few_requests(
    tracked: tuple[TrackedModel, Client, ModelRun], first: Trained
) -> None:
    _, client, _ = tracked
    assert len(client.requests) == 2, "parameters and metrics, one request each"
    points = {(metric.key, metric.step): metric.value for metric in client.requests[1]["metrics"]}
    winner = first.comparison.result("good")
    assert points["average_precision", 0] == winner.mean("average_precision")
    for fold in winner.folds:
        step = len(first.comparison.folds) - 1 - fold.fold.index
        assert points["fold.good.average_precision", step] == fold.metrics["average_precision"]
    parameters = {parameter.key: parameter.value for parameter in client.requests[0]["params"]}
    assert parameters["winner"] == "good"
    assert parameters["splits.train_days"] == "4"


def test_what_decides_comes_first_and_money_stands_beside_thresholds(
    tracked: tuple[TrackedModel, Client, ModelRun], use_case: UseCase
) -> None:
    found, _, run = tracked
    importances = json.loads((run.folder / TRACKING / IMPORTANCES_FILE).read_text())
    assert next(iter(importances)) == "amount", "the label was drawn by it"
    assert importances["amount"] > 5 * max(value for name, value in importances.items() if name != "amount")
    table = json.loads((run.folder / TRACKING / THRESHOLDS_FILE).read_text())
    (declared,) = [row for row in table if row["is_declared"]]
    fold = run.latest_fold()
    missed = fold.filter((fold["label"] == 1.0) & (fold["prediction__good"] < 0.5))
    assert declared["missed"] == missed.height
    assert declared["cost"] == pytest.approx(declared["missed_cost"] + declared["alarm_cost"])
    assert sum(row["is_cheapest"] for row in table) == 1
    assert "EUR" in found.money
    assert found.tags["dagster_run_id"] == "dagster run"
    assert "scikit-learn" in json.loads(found.tags["library_versions"])
    names = {path.name for path in (run.folder / TRACKING).iterdir()}
    assert names == {
        "curves.json", "curves.png", "environment.txt", "feature_contract.json", "importances.json", "thresholds.json"
    }  # fmt: skip
    assert "polars==" in (run.folder / TRACKING / "environment.txt").read_text()
    assert run.declaration() == use_case


def test_a_declaration_of_before_a_setting_was_retired_is_still_read(
    tracked: tuple[TrackedModel, Client, ModelRun], use_case: UseCase, tmp_path: Path
) -> None:
    _, _, run = tracked
    kept = json.loads((run.folder / DECLARATION_FILE).read_text())
    kept["gates"]["max_single_feature_score"] = 0.98
    (tmp_path / DECLARATION_FILE).write_text(json.dumps(kept))
    assert ModelRun(tmp_path, {}).declaration() == use_case


def sources(
    tracked: tuple[TrackedModel, Client, ModelRun], declared: UseCase, first: Trained, **changes: Any
) -> CardSources:
    found, _, run = tracked
    gate = {
        "name": "floor_auc_roc",
        "passed": True,
        "measured": 0.9,
        "bound": 0.8,
        "bypass": None,
        "explanation": "auc is 0.9.",
    }
    evidence = {"passed": True, "reason": "It beats the best baseline.", "gates": [gate], "model_version": "1"}
    version = replace(first.version, tags={**first.version.tags, **found.tags})
    given = {
        "use_case": with_costs(declared),
        "version": version,
        "run": run,
        "evidence": evidence,
        "aliases": ["champion"],
    }
    return CardSources(**{**given, **changes})


def test_the_card_says_it_all_and_asks_the_network_for_nothing(
    tracked: tuple[TrackedModel, Client, ModelRun], use_case: UseCase, first: Trained
) -> None:
    asked = sources(tracked, use_case, first)
    page = render_card(asked)
    for words in (
        use_case.description.split(",")[0], "all gates passed", "champion", "is_fraud (binary)", "good has the best average_precision",
        "What a threshold means", "EUR", "simulated data. The figures say nothing about real events", "known 7 days after the event",
        "models reproduce card_fraud@1", "No slice is declared".lower(), "Amount of the payment", first.version.tags["model_digest"],
    ):  # fmt: skip
        assert words in page, words
    assert page.count("data:image/svg+xml;base64,") == 6, "folds, importances, and four of the latest fold"
    assert_is_sound(page)
    assert "http" not in page
    assert page.startswith("<!doctype html>")
    assert len(page) < 500_000
    assert render_card(asked) == page


def test_the_card_says_that_a_tie_was_decided_by_the_order(
    tracked: tuple[TrackedModel, Client, ModelRun], use_case: UseCase, first: Trained
) -> None:
    tied = use_case.model_copy(update={"training": use_case.training.model_copy(update={"tie_tolerance": 0.9})})
    asked = sources(tracked, tied, first)
    version = replace(asked.version, tags={**asked.version.tags, "learner": "simple"})
    page = render_card(replace(asked, version=version))
    assert "within 0.9 of the best, which counts as a tie, and is declared before it. The next is good with" in page
    assert "simple has the best" not in page


def test_a_stopped_gate_a_bypass_and_a_slice_are_shown(
    tracked: tuple[TrackedModel, Client, ModelRun], use_case: UseCase, first: Trained
) -> None:
    parts = [{"value": "(missing)", "rows": 40, "positives": 3, "measured": np.nan, "judged": False},
             {"value": "<night>", "rows": 1200, "positives": 30, "measured": 0.61, "judged": True}]  # fmt: skip
    gates = [
        {"name": "calibration", "passed": True, "measured": 0.2, "bound": 0.1, "explanation": "Too sure.",
         "bypass": "head of risk, until 2999-01-01: agreed for the pilot"},
        {"name": "slice_night", "passed": False, "measured": 0.61, "bound": 0.7, "explanation": "Nights are worse.",
         "bypass": None, "details": {"parts": parts}},
    ]  # fmt: skip
    bypass = Bypass(gate="calibration", who="head of risk", why="agreed for the pilot", until=date(2999, 1, 1))
    changed = with_costs(use_case).model_copy(
        update={"gates": use_case.gates.model_copy(update={"bypasses": (bypass,)})}
    )
    evidence = {
        "passed": False,
        "reason": "Nights are worse.",
        "gates": gates,
        "model_version": "1",
        "judged_on": "2024-01-01",
    }
    history = [
        {"at": datetime(2024, 1, 1, tzinfo=UTC), "action": "refused", "evidence": {"reason": "its gates did not pass"}}
    ]
    page = render_card(
        sources(tracked, use_case, first, use_case=changed, evidence=evidence, history=history, aliases=[])
    )
    for words in ("gates failed", "bypassed", "let the gate pass", "agreed for the pilot", "&lt;night&gt;", "1,200", "refused",
                  "Gate calibration may be let pass until 2999-01-01"):  # fmt: skip
        assert words in page, words
    assert "<night>" not in page
    assert "no slice is declared" not in page


def test_a_model_that_nobody_judged_has_a_card_that_says_so(use_case: UseCase, first: Trained) -> None:
    """Runs from before tracking have no curves, importances or thresholds."""
    page = render_card(CardSources(use_case, first.version, first.run, {}))
    assert "not evaluated" in page
    assert "nothing is proven" in page
    assert page.count("data:image/svg+xml;base64,") == 5
