"""The asset graph as a whole: it loads cheaply, it looks as declared, and packages import one way only."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("snapshot.txt")
HEAVY = (
    "feast",
    "mlflow",
    "sklearn",
    "xgboost",
    "torch",
    "evidently",
    "bentoml",
    "kubernetes",
    "pandera",
    "numba",
    "scipy",
    "matplotlib",
    "pandas",
    "dagster_mlflow",
    "sqlglot",
)
LOAD_BUDGET_CPU_SECONDS = 3.0
"""Law 7: what every code-server reload and every step of the multiprocess executor pays again."""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from platform_assets.definitions import defs

    return defs()


def describe(definitions: dg.Definitions) -> str:
    """One line for each asset: key | deps | partitions | blocking checks | other checks | freshness | automation | owner."""
    graph = definitions.resolve_asset_graph()
    checks = graph.asset_check_keys
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.path):
        node = graph.get(key)
        own = [graph.get_check_spec(check) for check in sorted(checks) if check.asset_key == key]
        partitions = node.partitions_def
        first = partitions.get_first_partition_key() if partitions else "none"
        condition = node.automation_condition
        freshness = node.freshness_policy
        lines.append(
            " | ".join(
                [
                    "/".join(key.path),
                    ", ".join("/".join(parent.path[1:]) for parent in sorted(node.parent_keys, key=lambda p: p.path))
                    or "-",
                    f"daily from {first}" if partitions else "unpartitioned",
                    ", ".join(f"{check.name}{' (blocks)' if check.blocking else ''}" for check in own) or "-",
                    f"fails after {freshness.fail_window.to_timedelta().total_seconds() / 3600:.0f} h"
                    if freshness
                    else "no freshness",
                    condition.get_label() or "unnamed condition" if condition else "by hand or when due",
                    ", ".join(node.owners),
                ]
            )
        )
    return "\n".join(lines) + "\n"


MATERIALIZED_ON_OCCASION = {"rollback", "rollout"}
"""Assets that are materialized when there is a reason to, by a person or after a decision: no day makes them stale."""


def test_the_graph_is_as_it_was_reviewed(definitions: dg.Definitions) -> None:
    """A change of the graph shows in the diff of one small file; `UPDATE_SNAPSHOT=1 make test-fast` writes it."""
    found = describe(definitions)
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(found)
    assert found == SNAPSHOT.read_text()


def test_every_asset_carries_what_a_reader_needs(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        name = key.to_user_string()
        assert node.description, f"{name} has no description"
        assert node.owners, f"{name} has no owner"
        if key.path[-1] not in MATERIALIZED_ON_OCCASION:
            assert node.freshness_policy is not None, f"{name} has no freshness policy"
        assert node.kinds, f"{name} has no kinds"
        use_case, layer = key.path[:2]
        assert node.group_name == f"{use_case}__{layer}", f"{name} stands in group {node.group_name}"
        assert {"use_case": use_case, "layer": layer}.items() <= node.tags.items(), f"{name} cannot be filtered for"


def test_tables_declare_their_columns(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        if key.path[1] in {"raw", "clean", "quarantine"} or key.path[-1] in {"training_set", "prediction_log"}:
            assert "dagster/column_schema" in graph.get(key).metadata, key.to_user_string()


def test_every_column_says_what_it_means(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    tables = {key: graph.get(key).metadata.get("dagster/column_schema") for key in graph.get_all_asset_keys()}
    silent = [
        f"{key.to_user_string()}.{column.name}"
        for key, schema in tables.items()
        if schema is not None
        for column in (schema if isinstance(schema, dg.TableSchema) else schema.value).columns
        if not (column.description or "").strip()
    ]
    assert silent == [], "say what these mean in lake/column_meanings.py"


def test_a_use_case_is_selected_by_its_groups(definitions: dg.Definitions) -> None:
    """As typed into the search field above the graph."""
    graph = definitions.resolve_asset_graph()
    for name in {key.path[0] for key in graph.get_all_asset_keys()}:
        chosen = dg.AssetSelection.from_string(f'group:"{name}__*"').resolve(graph)
        assert chosen == {key for key in graph.get_all_asset_keys() if key.path[0] == name}
        assert chosen == dg.AssetSelection.from_string(f'tag:"use_case"="{name}"').resolve(graph)


def test_definitions_load_cheaply_and_import_no_heavy_library() -> None:
    """Measured in a fresh process: CPU seconds do not depend on what else the machine does."""
    code = (
        "import sys\n"
        "from platform_assets.definitions import defs\n"
        "defs().resolve_asset_graph()\n"
        f"print(','.join(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.strip() == "", f"loading the definitions imports {done.stdout.strip()}"
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 2 * LOAD_BUDGET_CPU_SECONDS, f"loading the definitions took {spent:.1f} CPU seconds"


def test_packages_import_one_way_only() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_no_use_case_is_known_outside_its_folder() -> None:
    names = [path.parent.name for path in (ROOT / "platform_assets" / "defs").glob("*/defs.yaml")]
    assert names
    found = []
    for path in [*(ROOT / "platform_assets").rglob("*.py"), *(ROOT / "serving").rglob("*.py")]:
        if {"defs", "testing"} & set(
            path.relative_to(ROOT).parts
        ):  # worlds for tests may be made of the bundled use case
            continue
        found += [f"{path.relative_to(ROOT)}: {name}" for name in names if name in path.read_text()]
    assert found == []


def test_the_reference_is_up_to_date() -> None:
    from platform_assets.cli import app
    from platform_assets.cli.command_reference import render_commands
    from platform_assets.cli.reference import render_reference

    folder = ROOT / "docs" / "reference"
    assert (folder / "declaration.md").read_text() == render_reference(), "run `make docs`"
    assert (folder / "command-line.md").read_text() == render_commands(app), "run `make docs`"
