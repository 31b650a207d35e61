"""From a file of a team to assets: what `platform-assets init` proposes is a valid graph, and its data comes in."""

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

import platform_assets
from platform_assets.cli import app
from platform_assets.declaration import load_use_case
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.due_runs import RANGE_END, RANGE_START
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.resources.build import build_resources

from .conftest import Installed

SHIPPED = Path(platform_assets.__file__).parent / "defs" / "bike_demand" / "data" / "rentals"
FIRST, LAST = date(2018, 4, 29), date(2018, 5, 2)


@pytest.fixture(scope="module")
def proposal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of files, looked at as if nobody had declared them."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "files").mkdir()
    for month in ("2018-04", "2018-05"):
        shutil.copyfile(SHIPPED / f"{month}.csv", folder / "files" / f"{month}.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform_assets, "__file__", str(folder / "__init__.py"))  # proposals stand beside the use cases
        patch.setenv("PLATFORM_ASSETS_HOME", str(folder / "home"))
        words = ["init", "rides", "--from", str(folder / "files"), "--label", "rentals", "--no-try"]
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "platform-assets run rides" in " ".join(result.output.split())
    return folder / "defs" / "rides" / "defs.yaml"


def test_what_is_proposed_loads_and_takes_in_its_own_data(installation: Installed, proposal: Path) -> None:
    use_case = load_use_case(proposal)
    definitions = dg.Definitions.merge(
        use_case_definitions(use_case, proposal.parent),
        dg.Definitions(resources=build_resources(installation.parts)),
    )
    dg.Definitions.validate_loadable(definitions)
    result = definitions.resolve_job_def(build_jobs(use_case)["load"].name).execute_in_process(
        instance=installation.instance, tags={RANGE_START: FIRST.isoformat(), RANGE_END: LAST.isoformat()}
    )
    assert result.success
    done = {tuple(event.asset_key.path[1:]) for event in result.get_asset_materialization_events() if event.asset_key}
    assert {(CLEAN, "events"), (FEATURES, use_case.features[-1].name)} <= done
    assert installation.parts.catalog(use_case).events.stored.row_count() == 4 * 24
