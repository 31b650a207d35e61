"""The model card: one page that says what a model is for, why it was chosen, how good it is and where it ends.

Belongs here: the card asset. Does not belong here: what stands on the card (`card_content.py`), judging (`assets/evaluation.py`).

The card is on a branch of its own: a model that a gate stopped has a card too, which shows the gate.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import EVALUATION, MODEL_CARD
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.assets.evaluation import VERDICT_FILE, require_version
from platform_assets.orchestration.metadata import asset_key, policy
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.model_card import CardSources, render_card
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import ModelRun, registered_run

CARD_FILE = "model_card.html"


def model_card_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """The card of the model as of a day, beside its other artifacts and in the folder of reports."""

    @dg.asset(
        key=asset_key(use_case, MODEL, MODEL_CARD),
        deps=[asset_key(use_case, MODEL, EVALUATION)],
        description="What the model is for, why this learner, how good, which gates with which evidence, its limits, its lineage.",
        kinds={"html"},
        partitions_def=as_of_days(use_case),
        automation_condition=dg.AutomationCondition.eager()
        .without(dg.AutomationCondition.in_latest_time_window())
        .with_label("after the evaluation, whatever it found"),
        code_version="1",
        **policy(use_case, MODEL),
    )
    def card(
        context: dg.AssetExecutionContext, models: dg.ResourceParam[ModelStore], serving: dg.ResourceParam[ServingHome]
    ) -> dg.MaterializeResult:
        registry = models.registry()
        version = require_version(use_case, registry, context.partition_key)
        run = registered_run(registry, version)
        aliases = registry.aliases(use_case.name).get(version.version, [])
        history = history_of(models.ledger(use_case.name), version)
        found = CardSources(run.declaration() or use_case, version, run, read_evidence(run), aliases, history)
        page = render_card(found)
        path = serving.report_folder(use_case.name) / f"model-card-{version.version}.html"
        path.write_text(page, encoding="utf-8")
        with tempfile.TemporaryDirectory() as scratch:
            kept = Path(scratch) / CARD_FILE
            kept.write_text(page, encoding="utf-8")
            registry.log_artifact(version, kept)
        return dg.MaterializeResult(
            metadata={
                "model_version": version.version,
                "card": dg.MetadataValue.path(str(path)),
                "size_bytes": len(page.encode()),
                "passed": bool(found.evidence.get("passed")),
                "mlflow_run": version.run_id,
            }
        )

    return card


def read_evidence(run: ModelRun) -> dict[str, Any]:
    """The verdict beside the model; empty while there is none."""
    path = run.folder / VERDICT_FILE
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def history_of(ledger: Ledger, version: RegisteredVersion) -> list[dict[str, Any]]:
    """What became of a version: the ledger's entries about it."""
    rows = ledger.entries(version.use_case).iter_rows(named=True)
    return [
        {"at": row["at"], "action": row["action"], "evidence": json.loads(row["evidence"])}
        for row in rows
        if row["model_version"] == version.version
    ]
