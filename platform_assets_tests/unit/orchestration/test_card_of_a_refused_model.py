"""A model that its gates stop has a card, although nothing below a red gate runs."""

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.orchestration.assets import evaluation as module
from platform_assets.orchestration.assets.evaluation import evaluation_asset
from platform_assets.pipelines.evaluate import EvaluatedModel
from platform_assets.pipelines.write_model_card import WrittenCard
from platform_assets.registry.base import RegisteredVersion
from platform_assets.tasks.gate_result import GateResult
from platform_assets.testing.declare import declare

DAY = "2024-03-01"


@pytest.mark.parametrize("passed", [False, True])
def test_a_refused_model_has_a_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, passed: bool) -> None:
    use_case = declare(events={"order": "int64", "at": "datetime", "amount": "float64"}, label="bad")
    version = RegisteredVersion(use_case.name, "1", "run 1", {})
    names = gate_names(use_case.gates, use_case.task)
    verdict = Verdict(tuple(GateResult(name, passed, None, None, "as measured") for name in names))
    written = []

    def write(*given: object) -> WrittenCard:
        written.append(given[-1])
        return WrittenCard(version, tmp_path / "model-card-1.html", 1, passed=False)

    monkeypatch.setattr(module, "evaluate", lambda *_: EvaluatedModel(version, verdict, 10, {}, b"\x89PNG"))
    monkeypatch.setattr(module, "write_model_card", write)
    resources = {
        "lake": None,
        "models": SimpleNamespace(registry=lambda: None),
        "serving": SimpleNamespace(report_folder=lambda _: tmp_path, kind="kubernetes"),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [evaluation_asset(use_case=use_case)],
            instance=instance,
            partition_key=DAY,
            resources=resources,
            raise_on_error=False,
        )
        [event] = result.asset_materializations_for_node(f"{use_case.name}__model__evaluation")
    assert written == ([] if passed else [DAY])
    assert ("card" in event.metadata) is not passed
