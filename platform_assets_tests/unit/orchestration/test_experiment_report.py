"""The report of an A/B test as an asset: there where a rollout runs one, with picture, page and what became of the rollout."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.assets.experiment_report import experiment_report_asset, has_experiment_report
from platform_assets.registry.model_store import ModelStore
from platform_assets_tests.unit.pipelines.experiment_world import RUNNING, Shop, shop
from platform_assets_tests.unit.pipelines.rollout_world import MemoryHome

KEY = dg.AssetKey(["shop", "model", "experiment_report"])


class NothingRolledOut:
    """A target without a rollout."""

    def rollout(self, use_case: str) -> None:
        """There is none."""


def test_only_a_use_case_whose_rollouts_run_a_test_has_a_report(tmp_path: Path) -> None:
    plain = shop().model_copy(update={"serving": shop().serving.model_copy(update={"rollout": ()})})
    assert (has_experiment_report(shop()), has_experiment_report(plain)) == (True, False)
    assert KEY in {key for asset in build_assets(shop(), tmp_path) for key in asset.keys}
    assert KEY not in {key for asset in build_assets(plain, tmp_path) for key in asset.keys}


@pytest.mark.parametrize(("act", "rollout"), [(True, "no rollout waits for the test"), (False, "only reported")])
def test_the_report_shows_verdict_and_page(tmp_path: Path, act: bool, rollout: str) -> None:
    Shop(better=0.45, customers=1500, orders_a_day=600).catalog(tmp_path)
    lake = Lake(root=str(tmp_path / "lake"))
    resources: dict[str, Any] = {
        "lake": lake,
        "models": ModelStore("", lake),
        "serving": MemoryHome(str(tmp_path / "home"), 0, memory=NothingRolledOut()),
    }
    result = dg.materialize(
        [experiment_report_asset(use_case=shop())],
        resources=resources,
        run_config={"ops": {"shop__model__experiment_report": {"config": {"act": act}}}},
    )
    metadata = result.asset_materializations_for_node("shop__model__experiment_report")[0].metadata
    assert metadata["outcome"].value == "better"
    assert rollout in str(metadata["rollout"].value)
    assert "data:image/png;base64," in str(metadata["effect"].value)
    page = Path(str(metadata["page"].value))
    assert page.name == f"experiment-{RUNNING}.html"
    assert "Sample ratio" in page.read_text()
