"""Write the card of the model as of a day: one page, beside its other artifacts and in the folder of reports.

Belongs here: gathering what a card is made from, and keeping the page. Does not belong here: what stands on it
(`evaluation/model_card/`, `model_card.py`), judging.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.pipelines.model_card import CardSources, render_card
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import registered_run, trained_as_of

CARD_FILE = "model_card.html"


@dataclass(frozen=True)
class WrittenCard:
    """A model card.

    Attributes:
        version: the model.
        path: the page in the folder of reports.
        size_bytes: of the page.
        passed: whether the model passed its gates; False while it was not judged.
    """

    version: RegisteredVersion
    path: Path
    size_bytes: int
    passed: bool


def card_name(version: str) -> str:
    """Name of a version's card in the folder of reports."""
    return f"model-card-{version}.html"


def write_model_card(use_case: UseCase, models: ModelStore, report_folder: Path, as_of: str) -> WrittenCard:
    """Render the card of the newest model as of a day, and keep it with the model and among the reports; no table is read.

    Args:
        use_case: whose model.
        models: registry and ledger.
        report_folder: where reports for people are written.
        as_of: the day, YYYY-MM-DD.

    Raises:
        NotTrained: there is no model as of the day.
        ArtifactError: the model's files were damaged or replaced.
    """
    registry = models.registry()
    version = trained_as_of(registry, use_case, as_of)
    run = registered_run(registry, version)
    aliases = registry.aliases(use_case.name).get(version.version, [])
    history = history_of(models.ledger(use_case.name), version)
    sources = CardSources(run.declaration() or use_case, version, run, run.evidence(), aliases, history)
    page = render_card(sources)
    path = report_folder / card_name(version.version)
    path.write_text(page, encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / CARD_FILE
        kept.write_text(page, encoding="utf-8")
        registry.log_artifact(version, kept)
    return WrittenCard(version, path, len(page.encode()), bool(sources.evidence.get("passed")))


def history_of(ledger: Ledger, version: RegisteredVersion) -> list[dict[str, Any]]:
    """What became of a version: the ledger's entries about it."""
    rows = ledger.entries(version.use_case).iter_rows(named=True)
    return [
        {"at": row["at"], "action": row["action"], "evidence": json.loads(row["evidence"])}
        for row in rows
        if row["model_version"] == version.version
    ]
