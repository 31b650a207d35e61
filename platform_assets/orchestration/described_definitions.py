"""What the definitions of a checkout are, as plain values: declarations and what follows from them, assets, checks, automation.

Belongs here: reading, nothing else. Does not belong here: comparing two of them (`pipelines/change/`).

It is run as a file, `python -P described_definitions.py ROOT OUTPUT`, on checkouts that need not have it: today's description of
yesterday's code. So it imports nothing that came with it.
"""

import json
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

import platform_assets
from platform_assets.declaration import DeclarationError
from platform_assets.declaration.contract import feature_contract_hash, view_meaning_hash
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.loader import DeclaredUseCase, load_use_case
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.declaration.use_case import UseCase
from platform_assets.lake.lineage.use_case import lineage
from serving.doors.proto import render_proto

FORMAT = 1
DEFINITIONS = "platform_assets/defs"
_PLACED = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): (?P<message>.*)$", re.DOTALL)


def describe_checkout(root: Path) -> dict[str, Any]:
    """The definitions below `platform_assets/defs` of a checkout.

    Where the code that is imported here is the checkout's own, they are loaded as `dg check defs` does.

    Args:
        root: the checkout.
    """
    declared, problems = _declarations(root)
    document: dict[str, Any] = {
        "format": FORMAT,
        "problems": problems,
        "use_cases": {one.use_case.name: described_use_case(one.use_case, one.folder, root) for one in declared},
        "assets": {},
        "triggers": {},
    }
    try:
        with warnings.catch_warnings():  # as silent about what is beta as Dagster's own loading
            warnings.simplefilter("ignore")
            document |= described_graph(_definitions(declared, as_checked=not problems and _is_own_code(root)))
    except Exception as error:  # noqa: BLE001 - a team's own code may fail in any way: it becomes a problem with its place
        problems.append({"kind": "definitions", **_place(error, root)})
    return document


def _declarations(root: Path) -> tuple[list[DeclaredUseCase], list[dict[str, Any]]]:
    loaded, problems = [], []
    for path in sorted((root / DEFINITIONS).glob("*/defs.yaml")):
        try:
            loaded.append(DeclaredUseCase(load_use_case(path), path.parent))
        except DeclarationError as error:
            problems += declaration_problems(error, root)
    return loaded, problems


def declaration_problems(error: DeclarationError, root: Path) -> list[dict[str, Any]]:
    """Each problem of a declaration with file, below the root, and line."""
    problems: list[dict[str, Any]] = []
    for text in str(error).splitlines():
        placed = _PLACED.match(text)
        if placed is None and problems:
            problems[-1]["message"] += f" {text.strip()}"
        else:
            file, line, message = placed.group("file", "line", "message") if placed else ("", "1", text)
            problems.append(
                {"kind": "declaration", "file": _below(Path(file), root), "line": int(line), "message": message}
            )
    return problems


def _definitions(declared: list[DeclaredUseCase], *, as_checked: bool) -> dg.Definitions:
    """The definitions as `dg check defs` loads them; where one declaration is at fault, those of the others."""
    from platform_assets.installation import Installation
    from platform_assets.orchestration.assembly import installed_definitions
    from platform_assets.orchestration.component import use_case_definitions
    from platform_assets.orchestration.resources.build import build_resources

    installation = Installation.from_environment()
    if as_checked:
        return installed_definitions(installation, lambda line: None, strict=True)
    use_cases = [use_case_definitions(one.use_case, one.folder) for one in declared]
    return dg.Definitions.merge(*use_cases, dg.Definitions(resources=build_resources(installation)))


def _is_own_code(root: Path) -> bool:
    return root / "platform_assets" == Path(platform_assets.__file__).resolve().parent


def _place(error: BaseException, root: Path) -> dict[str, Any]:
    """Where below the checkout an error arose, and what it says first."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = f"{type(error).__name__}: {str(error).strip() or 'no message'}"
    placed = re.search(r"(?P<file>[^\s:]+\.yaml):(?P<line>\d+)", message)
    if placed is not None:
        return {"file": _below(Path(placed["file"]), root), "line": int(placed["line"]), "message": message}
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(root)]
    file, line = (own[-1].filename, own[-1].lineno or 1) if own else (str(root / DEFINITIONS), 1)
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno or 1
    return {"file": _below(Path(file), root), "line": line, "message": message}


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def described_use_case(use_case: UseCase, folder: Path, root: Path) -> dict[str, Any]:
    """A declaration, and what follows from it: contract, gates, request, lineage."""
    task = DECLARED_TASKS[use_case.training.task]
    return {
        "folder": _below(folder, root),
        "declaration": use_case.model_dump(mode="json"),
        "contract": feature_contract_hash(use_case),
        "inputs": list(use_case.feature_names),
        "views": {
            view.table: {
                "name": view.name,
                "version": view.version,
                "is_previous": view in use_case.previous_features,
                "meaning": view_meaning_hash(use_case, view),
                "features": list(view.feature_names),
                "functions": [item.function for item in view.functions],
            }
            for view in use_case.stored_views
        },
        "gates": gate_names(use_case.gates, task),
        "higher_is_better": {**dict.fromkeys(task.single_feature_metrics, True), **task.metrics},
        "proto": render_proto(use_case) if use_case.answers_requests else None,
        "lineage": {str(node): sorted(map(str, above)) for node, above in lineage(use_case).made_from.items()},
    }


def described_graph(definitions: dg.Definitions) -> dict[str, Any]:
    """Assets by key, and what starts runs by name."""
    graph = definitions.resolve_asset_graph()
    checks: dict[dg.AssetKey, list[dg.AssetCheckSpec]] = {}
    for check in graph.asset_check_keys:
        checks.setdefault(check.asset_key, []).append(graph.get_check_spec(check))
    assets = {}
    for key in sorted(graph.get_all_asset_keys(), key=str):
        node = graph.get(key)
        assets["/".join(key.path)] = {
            "deps": sorted("/".join(parent.path) for parent in node.parent_keys),
            "description": node.description or "",
            "owners": list(node.owners),
            "partitions": _partitions(node.partitions_def),
            "columns": dict(_columns(node.metadata.get("dagster/column_schema"))),
            "checks": {spec.name: spec.blocking for spec in sorted(checks.get(key, []), key=lambda spec: spec.name)},
            "automation": _automation(node.automation_condition),
            "fails_after_hours": _fails_after_hours(node.freshness_policy),
        }
    return {"assets": assets, "triggers": dict(_triggers(definitions))}


def _partitions(partitions: Any) -> str:
    return "" if partitions is None else f"{type(partitions).__name__} from {partitions.get_first_partition_key()}"


def _automation(condition: Any) -> str:
    return "" if condition is None else condition.get_label() or str(condition)


def _fails_after_hours(policy: Any) -> float | None:
    window = getattr(policy, "fail_window", None)
    return None if window is None else float(window.to_timedelta().total_seconds() / 3600)


def _columns(schema: Any) -> Iterator[tuple[str, dict[str, str]]]:
    schema = getattr(schema, "schema", schema)
    for column in getattr(schema, "columns", ()):
        yield column.name, {"type": column.type, "description": column.description or ""}


def _triggers(definitions: dg.Definitions) -> Iterator[tuple[str, str]]:
    """Schedules and sensors, and whether they run unless somebody turns them off."""
    repository = definitions.get_repository_def()
    yield from ((schedule.name, schedule.default_status.value) for schedule in repository.schedule_defs)
    yield from ((sensor.name, sensor.default_status.value) for sensor in repository.sensor_defs)


def main(root: str, output: str) -> None:
    """Write the description of a checkout into a file."""
    Path(output).write_text(json.dumps(describe_checkout(Path(root).resolve()), sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
