"""Evaluation: the verdict on the model as of a day, each gate a blocking check.

Belongs here: the evaluation asset, gates as check results, and the card of a model that they stop. Does not belong here: judging
(`pipelines/evaluate.py`, `evaluation/`), promotion (`assets/champion.py`).
"""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.names import EVALUATION
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.checks import day_check
from platform_assets.orchestration.conditions import after_upstream
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, picture, policy, written_page
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.evaluate import evaluate
from platform_assets.pipelines.use_case_state.links import report_path
from platform_assets.pipelines.write_model_card import write_model_card
from platform_assets.registry.model_store import ModelStore
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.plain import plain


def evaluation_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The verdict on the model as of a day; each gate is a blocking check, and a gate without a result is red."""
    key = asset_key(use_case, MODEL, EVALUATION)
    names = gate_names(use_case.gates, use_case.task)

    @dg.asset(
        key=key,
        deps=[asset_key(use_case, MODEL, use_case.model_name)],
        description="The challenger against baselines, champion and declared bounds, on predictions it did not learn from.",
        kinds={"scikitlearn"},
        partitions_def=as_of_days(use_case),
        automation_condition=after_upstream(),
        code_version="2",
        op_tags=step_tags(use_case, MODEL, EVALUATION),  # gates fit the winner again
        check_specs=[
            day_check(name, key, as_of_days(use_case), blocking=True, description=f"Gate {name.replace('_', ' ')}.")
            for name in names
        ],
        **policy(use_case, MODEL),
    )
    def evaluation(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.MaterializeResult:
        as_of, today = date.fromisoformat(context.partition_key), datetime.now(UTC).date()
        evaluated = evaluate(Catalog(use_case, lake), models.registry(), as_of, today)
        card = {}
        if not evaluated.verdict.passed:  # what is downstream of a red gate does not run, the card's own asset included
            folder = serving.report_folder(use_case.name)
            written = write_model_card(use_case, models, folder, context.partition_key)
            card = written_page(serving, "card", written.path, report_path(use_case, written.path.name))
        return dg.MaterializeResult(
            metadata={
                "model_version": evaluated.version.version,
                "passed": evaluated.verdict.passed,
                "reason": evaluated.verdict.reason,
                "gates_passed": f"{sum(one.passed for one in evaluated.verdict.gates)} of {len(evaluated.verdict.gates)}",
                "gates": dg.MetadataValue.md(gates_table(evaluated.verdict)),
                "rows_compared": evaluated.rows_compared,
                "plot": picture(evaluated.plot),
                **card,
                **{f"same_rows_{name}": value for name, value in evaluated.metrics.items()},
            },
            check_results=[check_result(gate) for gate in evaluated.verdict.gates],
        )

    return evaluation


def gates_table(verdict: Verdict) -> str:
    """Every gate with what it found, as a Markdown table."""
    words = {True: "passed", False: "**failed**"}
    lines = ["| gate | verdict | found |", "|---|---|---|"]
    for gate in verdict.gates:
        word = "bypassed" if gate.bypass else words[gate.passed]
        lines.append(f"| {gate.name} | {word} | {gate.explanation.replace('|', '/')} |")
    return "\n".join(lines)


def check_result(gate: GateResult) -> dg.AssetCheckResult:
    """A gate as a check result, with its evidence on success too."""
    metadata: dict[str, Any] = {"explanation": gate.explanation}
    metadata |= {
        name: value for name, value in (("measured", gate.measured), ("bound", gate.bound)) if value is not None
    }
    if gate.bypass:
        metadata["bypass"] = gate.bypass
    if gate.details:
        metadata["details"] = dg.MetadataValue.json(plain(gate.details))
    return dg.AssetCheckResult(check_name=gate.name, passed=gate.passed, metadata=metadata)
