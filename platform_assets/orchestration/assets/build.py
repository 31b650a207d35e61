"""All assets of a use case.

Belongs here: the list of factories. Does not belong here: any asset.
"""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.orchestration.assets.business_measures import business_measures_asset
from platform_assets.orchestration.assets.champion import champion_asset
from platform_assets.orchestration.assets.clean import clean_asset
from platform_assets.orchestration.assets.delivered_scores import delivered_scores_asset
from platform_assets.orchestration.assets.deployment import deployment_asset, service_asset
from platform_assets.orchestration.assets.estimates import estimated_quality_asset
from platform_assets.orchestration.assets.evaluation import evaluation_asset
from platform_assets.orchestration.assets.experiment import experiment_asset
from platform_assets.orchestration.assets.experiment_report import experiment_report_asset, has_experiment_report
from platform_assets.orchestration.assets.explanations import explanations_asset
from platform_assets.orchestration.assets.feature_quality import feature_quality_asset
from platform_assets.orchestration.assets.features import feature_table_asset
from platform_assets.orchestration.assets.feed import incremental_assets
from platform_assets.orchestration.assets.history import history_asset
from platform_assets.orchestration.assets.maintenance import maintenance_asset
from platform_assets.orchestration.assets.model import model_asset
from platform_assets.orchestration.assets.model_card import model_card_asset
from platform_assets.orchestration.assets.monitoring import drift_asset, prediction_log_asset, quality_asset
from platform_assets.orchestration.assets.online_store import online_store_asset
from platform_assets.orchestration.assets.parity import parity_asset
from platform_assets.orchestration.assets.predictions import daily_predictions_asset
from platform_assets.orchestration.assets.raw import raw_asset
from platform_assets.orchestration.assets.retrain_decision import retrain_decision_asset
from platform_assets.orchestration.assets.rollback import rollback_asset
from platform_assets.orchestration.assets.rollout import rollout_asset
from platform_assets.orchestration.assets.training import training_set_asset
from platform_assets.orchestration.conditions import with_gates
from platform_assets.orchestration.metadata import with_column_lineage


def build_assets(use_case: UseCase, folder: Path, *, by_git: bool = False) -> list[dg.AssetsDefinition]:
    """Every asset of the use case, in the order in which data flows.

    Args:
        use_case: the declaration.
        folder: the use case's folder, to which relative paths of sources refer.
        by_git: releases stand in a git repository: a model that passed its gates is proposed there.
    """
    assets: list[dg.AssetsDefinition] = []
    for source in use_case.sources:
        if source.is_incremental:
            assets += incremental_assets(use_case=use_case, source=source, folder=folder)
            if source.changes.deletes == "history":
                assets.append(history_asset(use_case=use_case, source=source))
        else:
            assets.append(raw_asset(use_case=use_case, source=source, folder=folder))
    assets += [clean_asset(use_case=use_case, source=source) for source in use_case.sources]
    assets += [feature_table_asset(use_case=use_case, view=view) for view in use_case.stored_views]
    assets += [
        *(
            _trained(use_case, by_git=by_git)
            if use_case.is_trained_here
            else [delivered_scores_asset(use_case=use_case)]
        ),
        drift_asset(use_case=use_case),
        estimated_quality_asset(use_case=use_case),
        quality_asset(use_case=use_case),
        *([business_measures_asset(use_case=use_case)] if use_case.monitoring.measures else []),
        *([retrain_decision_asset(use_case=use_case)] if use_case.is_trained_here else []),
        maintenance_asset(use_case=use_case),
        *([experiment_asset(use_case=use_case)] if use_case.experiment is not None else []),
    ]
    _refuse_sizes_of_nothing(use_case, assets)
    return with_gates(with_column_lineage(use_case, assets))


def _refuse_sizes_of_nothing(use_case: UseCase, assets: Iterable[dg.AssetsDefinition]) -> None:
    """A size that no step has is a misspelt table.

    Raises:
        dg.DagsterInvalidDefinitionError: `compute` names a table that no asset makes.
    """
    made = {"/".join(key.path[1:]) for definition in assets for key in definition.keys}
    for key in use_case.compute:
        if "/" in key and key not in made:
            near = ", ".join(sorted(name for name in made if name.startswith(key.partition("/")[0] + "/")))
            raise dg.DagsterInvalidDefinitionError(
                f"{use_case.name}: `compute` names {key!r}, which no step makes; that layer has {near or 'no tables'}"
            )


def _trained(use_case: UseCase, *, by_git: bool) -> list[dg.AssetsDefinition]:
    """How a model of ours is made, and answers."""
    return [
        training_set_asset(use_case=use_case),
        feature_quality_asset(use_case=use_case),
        model_asset(use_case=use_case),
        evaluation_asset(use_case=use_case),
        champion_asset(use_case=use_case, by_git=by_git),
        model_card_asset(use_case=use_case),
        rollback_asset(use_case=use_case),
        *_answering(use_case),
        parity_asset(use_case=use_case),
        *([explanations_asset(use_case=use_case)] if use_case.monitoring.explanations.samples_per_day else []),
    ]


def _answering(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """How the champion answers: through a service with an online store, or by a table of predictions for each day."""
    if not use_case.is_realtime:
        return [daily_predictions_asset(use_case=use_case)]
    return [
        online_store_asset(use_case=use_case),
        service_asset(use_case=use_case),
        deployment_asset(use_case=use_case),
        rollout_asset(use_case=use_case),
        prediction_log_asset(use_case=use_case),
        *([experiment_report_asset(use_case=use_case)] if has_experiment_report(use_case) else []),
    ]
