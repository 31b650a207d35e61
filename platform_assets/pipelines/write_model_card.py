"""Write the card of the model as of a day: one page, beside its other artifacts and in the folder of reports.

Belongs here: gathering what a card is made from, and keeping the page. Does not belong here: what stands on it
(`evaluation/model_card/`, `model_card.py`), judging.
"""

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.pipelines.addresses import DAGSTER, card_name, without_user
from platform_assets.pipelines.model_card import CardSources, render_card
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.ledger import Ledger
from platform_assets.registry.model_store import ModelStore
from platform_assets.registry.training_run import registered_run, trained_as_of
from platform_assets.training.artifact import ArtifactError

CARD_FILE = "model_card.html"
MOST_TRIES = 3
logger = logging.getLogger(__name__)


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
    version = trained_as_of(models.registry(), use_case, as_of)
    return _write(use_case, models, report_folder, version)


def renew_model_cards(
    use_case: UseCase, models: ModelStore, report_folder: Path, versions: Sequence[RegisteredVersion | None]
) -> tuple[str, ...]:
    """Make cards again that were written before the champion moved, so that they say who it is.

    A card that was never written is left to the asset that writes it; one whose model cannot be read any more stays as it is.

    Args:
        use_case: whose models.
        models: registry and ledger.
        report_folder: where reports for people are written.
        versions: the champion and the one before it; None for none.

    Returns:
        Versions whose card was made again.
    """
    renewed = []
    for version in versions:
        if version is None or not (report_folder / card_name(version.version)).is_file():
            continue
        try:
            _write(use_case, models, report_folder, version)
        except ArtifactError as error:
            logger.warning("the card of version %s of %s stays as it was: %s", version.version, use_case.name, error)
            continue
        renewed.append(version.version)
    return tuple(renewed)


def _write(use_case: UseCase, models: ModelStore, report_folder: Path, version: RegisteredVersion) -> WrittenCard:
    registry = models.registry()
    run = registered_run(registry, version)
    evidence, declared = run.evidence(), run.declaration() or use_case
    path = report_folder / card_name(version.version)
    for _ in range(MOST_TRIES):
        aliases = registry.aliases(use_case.name).get(version.version, [])
        history = history_of(models.ledger(use_case.name), version)
        links = card_links(use_case, models, report_folder, version, history)
        page = render_card(CardSources(declared, version, run, evidence, aliases, history, links))
        path.write_text(page, encoding="utf-8")
        if registry.aliases(use_case.name).get(version.version, []) == aliases:
            break  # else the champion moved while the card was written, and it says so
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / CARD_FILE
        kept.write_text(page, encoding="utf-8")
        registry.log_artifact(version, kept)
    return WrittenCard(version, path, len(page.encode()), bool(evidence.get("passed")))


def card_links(
    use_case: UseCase,
    models: ModelStore,
    report_folder: Path,
    version: RegisteredVersion,
    history: Sequence[Mapping[str, Any]],
) -> list[tuple[str, str]]:
    """Where more stands about a version: the runs that made it, the drift report, the card of the champion before it.

    Args:
        use_case: whose model.
        models: registry and ledger.
        report_folder: where reports for people are.
        version: whose card it is.
        history: the ledger's entries about it, oldest first.
    """
    found = []
    if run_id := version.tags.get("dagster_run_id"):
        found.append(("Dagster run", f"{DAGSTER}/runs/{run_id}"))
    server = models.tracking_uri
    if models.kind == "mlflow" and server.startswith(("http://", "https://")) and version.run_id:
        found.append(("MLflow run", f"{without_user(server)}/#/runs/{version.run_id}"))
    reports = sorted(report_folder.glob("drift-*.html"))
    if reports:
        found.append((f"Drift report, {reports[-1].stem.removeprefix('drift-')}", reports[-1].name))
    before = next((entry["previous"] for entry in reversed(history) if entry.get("previous")), None)
    if before is not None and (report_folder / card_name(before)).is_file():
        found.append((f"Champion before it: version {before}", card_name(before)))
    return found


def history_of(ledger: Ledger, version: RegisteredVersion) -> list[dict[str, Any]]:
    """What became of a version: the ledger's entries about it."""
    rows = ledger.entries(version.use_case).iter_rows(named=True)
    return [
        {
            "at": row["at"],
            "action": row["action"],
            "previous": row["previous_version"],
            "evidence": json.loads(row["evidence"]),
        }
        for row in rows
        if row["model_version"] == version.version
    ]
