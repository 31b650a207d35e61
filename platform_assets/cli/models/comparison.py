"""`platform-assets models compare`: two versions of a model side by side.

Belongs here: what the command prints. Does not belong here: the comparison that decides a promotion (`evaluation/`), which asks both
models about the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from platform_assets.cli.answer import CommandAnswer, plain_table
from platform_assets.cli.console import console
from platform_assets.cli.models.lookup import named_version, opened, split_model
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, ModelRun, registered_run
from platform_assets.training.artifact import read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platform_assets.registry.base import ModelRegistry, RegisteredVersion

_MADE_FROM = (
    "as_of",
    "learner",
    "code_version",
    "feature_contract",
    "seed",
    "trained_on_first_day",
    "trained_on_last_day",
    "machine",
)


def show_comparison(first: str, second: str | None, answer: CommandAnswer) -> None:
    """Print two versions side by side: verdicts, metrics over the folds, settings, and what they were made from.

    Without a second one, and without a champion to take its place, the version alone beside its candidates.

    Raises:
        RegistryError: there is no such version.
        ValueError: both are the same.
    """
    name, number = split_model(first)
    _, registry, _, _ = opened(name)
    answer.put("use_case", name)
    if second is None and registry.by_alias(name, CHAMPION) is None:
        alone = named_version(registry, name, number)
        answer.add("versions", _facts(alone, registered_run(registry, alone)))
        _show_alone(name, alone, registry)
        return
    other = second.partition("@")[2] or second if second else CHAMPION
    versions = named_version(registry, name, number), named_version(registry, name, other)
    if versions[0].version == versions[1].version:
        raise ValueError(
            f"both are version {versions[0].version} of {name}; name another one: platform-assets models list {name}"
        )
    runs = registered_run(registry, versions[0]), registered_run(registry, versions[1])
    for version, run in zip(versions, runs, strict=True):
        answer.add("versions", _facts(version, run))
    _print_metrics(name, versions, runs)
    _print_verdicts(versions, runs)
    _print_settings(versions, runs)
    digests = {version.tags.get(MODEL_DIGEST_TAG) for version in versions}
    if len(digests) == 1:
        console.print(f"[bold]both are the same model to the byte[/] ({digests.pop()})")
    console.print(f"[dim]next: platform-assets models reproduce {name}@{versions[0].version}[/]")


def _facts(version: RegisteredVersion, run: ModelRun) -> dict[str, Any]:
    """A version for programs: its metrics over the folds, settings, verdict, and what it was made from."""
    manifest = read_manifest(run.predictor_folder)
    return {
        "version": version.version,
        "made_from": {key: version.tags.get(key) for key in _MADE_FROM},
        "data_versions": version.tag_json("data_versions") or {},
        "metrics": run.comparison["candidates"][version.tags["learner"]],
        "folds": run.comparison["folds"],
        "evidence": run.evidence(),
        "settings": manifest["settings"],
        "libraries": manifest["versions"],
        "model_digest": version.tags.get(MODEL_DIGEST_TAG),
    }


def _show_alone(name: str, version: RegisteredVersion, registry: ModelRegistry) -> None:
    """A version that nothing can be compared with: its figures beside those of all its candidates."""
    run = registered_run(registry, version)
    table = plain_table("metric", title=f"{name}@{version.version}: mean ± spread over the folds")
    candidates = run.comparison["candidates"]
    for learner, result in candidates.items():
        mark = " *" if learner == version.tags["learner"] else " (baseline)" if result.get("baseline") else ""
        table.add_column(learner + mark, justify="right")
    for metric in run.comparison["metrics"]:
        figures = [
            (_number(each["mean"].get(metric)), _number(each["std"].get(metric))) for each in candidates.values()
        ]
        table.add_row(metric, *(f"{mean:.4f} ± {spread:.4f}" for mean, spread in figures))
    console.print(table)
    _print_verdicts((version,), (run,))
    console.print(f"[dim]there is no champion of {name} to compare with; next: platform-assets models list {name}[/]")


def _print_verdicts(versions: tuple[RegisteredVersion, ...], runs: tuple[ModelRun, ...]) -> None:
    """What the gates said of each version, every red one with what it measured."""
    for version, run in zip(versions, runs, strict=True):
        evidence = run.evidence()
        verdict = (
            "not judged" if not evidence else "gates passed" if evidence["passed"] else "[red]refused by its gates[/]"
        )
        console.print(f"[bold]version {version.version}[/]: {verdict}")
        for gate in evidence.get("gates", ()):
            if not gate["passed"]:
                console.print(f"    [red]{gate['name']}[/] {escape(gate['explanation'])}")


def _print_metrics(name: str, versions: tuple[RegisteredVersion, ...], runs: tuple[ModelRun, ...]) -> None:
    winners = [
        run.comparison["candidates"][version.tags["learner"]] for version, run in zip(versions, runs, strict=True)
    ]
    same_folds = runs[0].comparison["folds"] == runs[1].comparison["folds"]
    table = plain_table("metric", title=f"{name}: mean ± spread over the folds")
    for version in versions:
        table.add_column(f"version {version.version}", justify="right")
    table.add_column(f"{versions[0].version} less {versions[1].version}", justify="right")
    for metric, higher in runs[0].comparison["metrics"].items():
        if metric not in winners[1]["mean"]:
            continue
        means = [_number(winner["mean"][metric]) for winner in winners]
        cells = [
            f"{mean:.4f} ± {_number(winner['std'][metric]):.4f}" for mean, winner in zip(means, winners, strict=True)
        ]
        difference = means[0] - means[1]
        better = difference == difference and difference != 0 and (difference > 0) == higher
        cell = f"[green]{difference:+.4f}[/]" if better else f"{difference:+.4f}"
        paired = f", {_folds_won(winners, metric, higher)} folds" if same_folds else ""
        table.add_row(metric, *cells, f"{cell}{paired}")
    console.print(table)
    if not same_folds:
        spans = [
            f"{run.comparison['folds'][-1]['test_first']} .. {run.comparison['folds'][0]['test_last']}" for run in runs
        ]
        console.print(
            f"[yellow]the folds differ ({' and '.join(spans)}): a part of the difference is the days'. The evaluation asset asks both "
            "about the same rows.[/]"
        )


def _folds_won(winners: list[Mapping[str, Any]], metric: str, higher: bool) -> str:
    pairs = [(_number(a["metrics"][metric]), _number(b["metrics"][metric]))
             for a, b in zip(winners[0]["by_fold"], winners[1]["by_fold"], strict=True)]  # fmt: skip
    won = sum((a > b) == higher and a != b for a, b in pairs)
    return f"better in {won} of {len(pairs)}"


def _print_settings(versions: tuple[RegisteredVersion, ...], runs: tuple[ModelRun, ...]) -> None:
    """Only what differs: all else is the same in both."""
    sides: list[dict[str, Any]] = []
    for version, run in zip(versions, runs, strict=True):
        manifest = read_manifest(run.predictor_folder)
        sides.append(
            {
                **{key: version.tags.get(key, "") for key in _MADE_FROM},
                **{f"setting {key}": value for key, value in manifest["settings"].items()},
                **{f"library {key}": value for key, value in manifest["versions"].items()},
                **{f"data {key.strip('/')}": value for key, value in (version.tag_json("data_versions") or {}).items()},
                "features": ", ".join(feature["name"] for feature in manifest["features"]),
            }
        )
    names = [key for key in dict.fromkeys([*sides[0], *sides[1]]) if sides[0].get(key) != sides[1].get(key)]
    table = plain_table("", *(f"version {version.version}" for version in versions), title="what differs")
    for key in names:
        table.add_row(key, *(escape(str(side.get(key, ""))) for side in sides))
    if names:
        console.print(table)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
