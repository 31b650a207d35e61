"""What stands on a model card, gathered from the run, the verdict and the ledger.

Belongs here: sentences and tables. Does not belong here: the page's HTML and pictures (`evaluation/model_card/`), keeping the
page (`write_model_card.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.evaluation.model_card.page import render_card_page
from platform_assets.pictures.numbers import readable, share, with_spread
from platform_assets.pipelines.model_card_pictures import card_pictures
from platform_assets.pipelines.model_card_verdicts import (
    because,
    cell,
    shown_bypasses,
    shown_gates,
    shown_slices,
    standing,
    verdict_of,
)
from platform_assets.pipelines.track_training import CLASSES_FILE, THRESHOLDS_FILE, TRACKING
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.history import made_from
from platform_assets.registry.training_run import ModelRun
from platform_assets.tasks.base import TrainingLabels
from platform_assets.tasks.registry import task_of
from platform_assets.training.artifact import read_manifest

_THRESHOLDS_SHOWN = 9


@dataclass(frozen=True)
class CardSources:
    """What a card is made from.

    Attributes:
        use_case: as it was declared when the model was made.
        version: the registered version.
        run: its artifacts.
        evidence: the verdict on it; empty while it was not evaluated.
        aliases: of the version, as MLflow calls them.
        history: the ledger's entries about it, oldest first.
        links: titles and addresses: its runs, reports, the champion before it.
    """

    use_case: UseCase
    version: RegisteredVersion
    run: ModelRun
    evidence: Mapping[str, Any]
    aliases: Sequence[str] = ()
    history: Sequence[Mapping[str, Any]] = ()
    links: Sequence[tuple[str, str]] = ()


def render_card(sources: CardSources) -> str:
    """The card as one HTML page that needs nothing else.

    The same model, verdict and ledger give the same page.
    """
    use_case, version, evidence = sources.use_case, sources.version, sources.evidence
    by = use_case.training.select_by
    winner = version.tags["learner"]
    chosen = sources.run.comparison["candidates"][winner]
    return render_card_page(
        name=use_case.name,
        version=version.version,
        title=f"{use_case.name}, version {version.version}",
        subtitle=f"{winner}, as of {version.tags['as_of']}, by {use_case.owner}",
        standing=standing(sources.aliases, sources.history),
        verdict=verdict_of(evidence),
        links=[{"title": title, "address": address} for title, address in sources.links],
        headline=[
            (name, with_spread(chosen["mean"][name], chosen["std"][name]))
            for name in dict.fromkeys([by, *sources.run.comparison["metrics"]])
            if isinstance(chosen["mean"].get(name), float)
        ][:5],
        folds=len(sources.run.comparison["folds"]),
        purpose=use_case.description,
        use=_use(use_case),
        data=_data(sources),
        features=_features(sources),
        why_learner=_why_learner(sources, winner),
        metrics=list(sources.run.comparison["metrics"]),
        candidates=_candidates(sources.run.comparison, winner),
        latest_fold=_latest_fold(sources),
        **_thresholds(sources),
        classes=_classes(sources),
        importances_caption="Loss of the selection metric on rows of the latest fold: what the model uses, not what causes the label.",
        pictures=card_pictures(use_case, sources.run, winner),
        slices=shown_slices(use_case, evidence),
        gates=shown_gates(evidence),
        bypasses=shown_bypasses(use_case, evidence),
        limits=_limits(sources),
        lineage=_lineage(sources),
        history=[
            {"at": f"{row['at']:%Y-%m-%d %H:%M:%S}", "action": row["action"], "why": because(row["evidence"])}
            for row in sources.history
        ],
    )


def training_labels(manifest: Mapping[str, Any]) -> TrainingLabels:
    """The labels that a model was trained on, as its manifest has them."""
    trained = manifest["trained_on"]
    class_rows = dict(zip(manifest.get("classes", ()), trained.get("class_rows", ()), strict=True))
    return TrainingLabels(trained["rows"], trained["label_mean"], class_rows)


def _use(use_case: UseCase) -> list[tuple[str, str]]:
    serving, rule = use_case.serving, use_case.serving.decision
    rows = [
        (
            "answers",
            "each event, while the caller waits" if use_case.is_realtime else "a table of predictions for each day",
        ),
        ("predicts", f"{use_case.label.column} ({use_case.training.task}) of each row of {use_case.events}"),
    ]
    rows += task_of(use_case).answer_notes(use_case)
    if rule is not None:
        rows.append(("decides", f"{rule.above} at a score of {rule.threshold:g} or more, {rule.below} below"))
    if use_case.is_realtime:
        rows.append(("is asked with", ", ".join(serving.request)))
    rows.append(("not meant for", "any other decision than this one, or rows from elsewhere than the sources below"))
    return rows


def _data(sources: CardSources) -> list[tuple[str, str]]:
    use_case, manifest = sources.use_case, read_manifest(sources.run.predictor_folder)
    trained = manifest["trained_on"]
    return [
        *((source.name, source.description) for source in use_case.sources),
        ("trained on", f"{trained['rows']:,} rows of {trained['first_day']} .. {trained['last_day']}"),
        task_of(use_case).label_note(training_labels(manifest)),
        ("labels", f"known {use_case.label_delay_days} days after the event; nothing later than that was used"),
    ]


def _features(sources: CardSources) -> list[dict[str, str]]:
    described = {name: _described(view, name) for view in sources.use_case.features for name in view.feature_names}
    manifest = read_manifest(sources.run.predictor_folder)
    return [
        {
            "name": feature["name"],
            "description": described.get(feature["name"], ""),
            "missing": f"{readable(feature['missing_becomes'])} ({feature['impute']})",
        }
        for feature in manifest["features"]
    ]


def _described(view: FeatureView, name: str) -> str:
    """The declared description of one feature; those of several lengths share one."""
    for row in view.rows:
        if row.name == name:
            return row.description
    for window in view.windows:
        if name in window.feature_names:
            delay = f", {window.delay_days} days before the event" if window.delay_days else ""
            return f"{window.description} ({name.removeprefix(f'{window.name}_')}{delay})"
    return view.description


def _why_learner(sources: CardSources, winner: str) -> str:
    comparison, by = sources.run.comparison, sources.use_case.training.select_by
    others = {
        name: candidate
        for name, candidate in comparison["candidates"].items()
        if name != winner and not candidate["failure"] and isinstance(candidate["mean"].get(by), float)
    }
    mean = comparison["candidates"][winner]["mean"][by]
    folds = len(comparison["folds"])
    over = "the latest fold" if folds == 1 else f"{folds} folds that follow each other in time"
    if not others:
        return f"{winner} has the best {by} of the candidates: {mean:.4f} on {over}."
    sign = 1.0 if comparison["metrics"][by] else -1.0
    second = max(others, key=lambda name: sign * others[name]["mean"][by])
    if sign * others[second]["mean"][by] > sign * mean:
        within = f"within {sources.use_case.training.tie_tolerance:g} of the best, which counts as a tie, and is declared before it"
        sentence = f"{winner} has {by} {mean:.4f} on {over}, {within}."
    else:
        sentence = f"{winner} has the best {by} of the candidates: {mean:.4f} on {over}."
    ours, theirs = comparison["candidates"][winner]["by_fold"], others[second]["by_fold"]
    won = sum(sign * (a["metrics"][by] - b["metrics"][by]) > 0 for a, b in zip(ours, theirs, strict=True))
    return f"{sentence} The next is {second} with {others[second]['mean'][by]:.4f}; {winner} is ahead of it in {won} of {folds}."


def _candidates(comparison: Mapping[str, Any], winner: str) -> list[dict[str, Any]]:
    rows = []
    for name, candidate in comparison["candidates"].items():
        cells = [_mean(candidate, metric) for metric in comparison["metrics"]]
        rows.append(
            {
                "name": name,
                "baseline": candidate["baseline"],
                "failure": candidate["failure"],
                "chosen": name == winner,
                "cells": cells,
                "seconds": f"{candidate['seconds']:.1f}",
            }
        )
    return rows


def _mean(candidate: Mapping[str, Any], metric: str) -> str:
    mean, std = candidate["mean"][metric], candidate["std"][metric]
    return "" if mean is None or mean != mean else with_spread(mean, std)


def _latest_fold(sources: CardSources) -> str:
    fold = sources.run.comparison["folds"][0]
    rows = sources.run.latest_fold().height
    return f"The latest fold: {rows:,} rows of {fold['test_first']} .. {fold['test_last']}, predicted by a model that saw none of them."


def _thresholds(sources: CardSources) -> dict[str, Any]:
    path = sources.run.folder / TRACKING / THRESHOLDS_FILE
    rule = sources.use_case.serving.decision
    table = json.loads(path.read_text()) if path.exists() else []
    unit = f", {rule.costs.currency}" if rule is not None and rule.costs is not None and rule.costs.currency else ""
    has_money = bool(table) and table[0]["cost"] is not None
    step = max(1, len(table) // _THRESHOLDS_SHOWN)
    kept = [row for index, row in enumerate(table) if index % step == 0 or row["is_declared"] or row["is_cheapest"]]
    rows = []
    for row in kept:
        cells = [readable(row["threshold"]), readable(row["alerts_per_day"]), f"{row['found']:,}", f"{row['missed']:,}",
                 _share(row["precision"]), _share(row["recall"])]  # fmt: skip
        cells += [f"{row[name]:,.0f}" for name in ("missed_cost", "alarm_cost", "cost")] if has_money else []
        notes = ["serves"] * row["is_declared"] + ["cheapest"] * row["is_cheapest"]
        rows.append({"cells": cells, "is_declared": row["is_declared"], "note": ", ".join(notes)})
    return {
        "thresholds": rows,
        "has_money": has_money,
        "unit": unit,
        "money": _money_summary(sources.use_case, has_money),
    }


def _classes(sources: CardSources) -> list[dict[str, Any]]:
    """Every class on the latest fold; empty where the label is no class of several."""
    path = sources.run.folder / TRACKING / CLASSES_FILE
    if not path.exists():
        return []
    manifest = read_manifest(sources.run.predictor_folder)
    trained = dict(zip(manifest["classes"], manifest["trained_on"]["class_rows"], strict=True))
    columns = ("rows", "predicted", "recall", "precision", "auc_roc")
    return [
        {"name": one["name"], "cells": [cell(trained.get(one["name"])), *(cell(one[column]) for column in columns)]}
        for one in json.loads(path.read_text())
    ]


def _money_summary(use_case: UseCase, has_money: bool) -> str:
    rule = use_case.serving.decision
    if not has_money or rule is None or rule.costs is None:
        return "No costs are declared (serving.decision.costs): the table has counts only."
    missed = f"its {rule.costs.missed}" if isinstance(rule.costs.missed, str) else f"{rule.costs.missed:g}"
    return (
        f"A missed positive costs {missed}, a false alarm {rule.costs.false_alarm:g} {rule.costs.currency}, as declared. "
        "The declared threshold serves, whatever this table says."
    )


def _share(value: float | None) -> str:
    return "" if value is None else share(value)


def _limits(sources: CardSources) -> list[str]:
    use_case, manifest = sources.use_case, read_manifest(sources.run.predictor_folder)
    trained = manifest["trained_on"]
    limits = [
        f"It knows {trained['first_day']} .. {trained['last_day']} and nothing later: habits that have changed since, it does not know.",
        f"Whether it is right is known {use_case.label_delay_days} days later at the earliest; monitoring compares then.",
        "A row whose features are missing is answered with the values that stand in the table of features.",
    ]
    simulated = [source.name for source in use_case.sources if source.connector.is_simulated]
    if simulated:
        limits.insert(0, f"{', '.join(simulated)}: simulated data. The figures say nothing about real events.")
    if len(sources.run.comparison["folds"]) < 3:
        limits.append("Fewer than three folds were compared: the spread over them says little.")
    limits += task_of(use_case).limits(use_case, training_labels(manifest))
    if use_case.training.impute:
        limits.append(f"Declared values replace what is missing in {', '.join(sorted(use_case.training.impute))}.")
    if not any((gate.get("details") or {}).get("parts") for gate in sources.evidence.get("gates", ())):
        limits.append("Parts of the rows were not judged on their own: no slice is declared.")
    for bypass in use_case.gates.bypasses:
        limits.append(f"Gate {bypass.gate} may be let pass until {bypass.until}: {bypass.why} ({bypass.who}).")
    return limits


def _lineage(sources: CardSources) -> list[list[tuple[str, str]]]:
    origin = made_from(sources.version, read_manifest(sources.run.predictor_folder)["versions"])
    names = ("as_of", "learner", "model_digest", "feature_contract", "code_version", "seed", "mlflow_run")
    rows = [(name.replace("_", " "), str(origin[name])) for name in names if origin.get(name)]
    rows += (
        [("Dagster run", sources.version.tags["dagster_run_id"])] if "dagster_run_id" in sources.version.tags else []
    )
    data = [(name.strip("/"), f"version {number}") for name, number in sorted(origin["data_versions"].items())]
    libraries = [(name, number) for name, number in sorted(origin["library_versions"].items())]
    return [[*rows, ("made on", sources.version.tags.get("machine", ""))], data + libraries]
