"""The sensor of `monitoring.degrade`: one rollback for each champion, one order for each cause, and a person's word counts."""

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.standing_order import read_order, write_order
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import RETRAIN_SCHEMA
from platform_assets.orchestration.automation import build_automation
from platform_assets.orchestration.degrade_sensor import degrade_sensor
from platform_assets.testing.declare import declare

AS_OF = date(2024, 3, 12)


@dataclass
class Ledger:
    """A ledger whose moves are given."""

    actions: list[str] = field(default_factory=lambda: ["promoted", "promoted"])

    def ledger(self, use_case: str) -> "Ledger":
        """The ledger of a use case."""
        return self

    def moves(self, use_case: str) -> pl.DataFrame:
        """The moves."""
        return pl.DataFrame({"action": self.actions}, schema={"action": pl.String})


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    events = {"payment": "int64", "at": "datetime", "amount": "float64"}
    rule = {"when": "quality_lost", "then": "previous_champion", "tell": "#risk"}
    return declare(events=events, label="is_bad", monitoring={"quality_metric": "auc_roc", "degrade": [rule]})


def decided(use_case: UseCase, lake: Lake, then: str | None) -> None:
    """The newest decision, with something that lasts or without."""
    found = {"when": "drift", "then": then, "tell": "#risk", "cause": "drift@2", "why": "drift for 3 days"}
    row: dict[str, Any] = dict.fromkeys(RETRAIN_SCHEMA)
    row |= {"verdict": "wait", "as_of": AS_OF, "evidence": json.dumps({"degradation": found if then else None})}
    catalog = Catalog(use_case, lake)
    catalog.retrain_decisions.write_partitions(pl.DataFrame([row], schema=RETRAIN_SCHEMA), AS_OF, AS_OF)


def tick(use_case: UseCase, lake: Lake, serving: ServingHome, models: Ledger) -> dg.SensorResult:
    result = degrade_sensor(use_case)(dg.build_sensor_context(), lake=lake, models=models, serving=serving)
    assert isinstance(result, dg.SensorResult)
    return result


def test_the_champion_before_is_asked_for_under_one_key(use_case: UseCase, tmp_path: Path) -> None:
    lake, serving = Lake(root=str(tmp_path)), ServingHome(str(tmp_path), 0)
    decided(use_case, lake, "previous_champion")
    [request] = tick(use_case, lake, serving, Ledger()).run_requests or []
    assert request.run_key == "drift@2", "Dagster starts one run for it"
    [config] = request.run_config["ops"].values()
    assert config["config"] == {"why": "drift for 3 days", "who": "degradation"}
    assert list(request.run_config["ops"]) == ["small__model__rollback"]


def test_an_earlier_champion_is_not_followed_by_a_still_earlier_one(use_case: UseCase, tmp_path: Path) -> None:
    lake, serving = Lake(root=str(tmp_path)), ServingHome(str(tmp_path), 0)
    decided(use_case, lake, "previous_champion")
    for actions in (["promoted", "promoted", "rolled_back"], []):
        result = tick(use_case, lake, serving, Ledger(actions))
        assert not result.run_requests
        assert "A person has to decide" in str(result.skip_reason)


@pytest.mark.parametrize("then", ["review", "refuse"])
def test_an_order_is_given_once_and_not_again_after_a_person_lifted_it(
    use_case: UseCase, tmp_path: Path, then: str
) -> None:
    lake, serving = Lake(root=str(tmp_path)), ServingHome(str(tmp_path), 0)
    decided(use_case, lake, then)
    tick(use_case, lake, serving, Ledger())
    folder = serving.log_folder(use_case.name)
    order = read_order(folder)
    assert order is not None
    assert (order.then, order.since, order.is_in_force) == (then, "2024-03-12", True)
    write_order(folder, order.model_copy(update={"lifted_by": "ada", "lifted_because": "known"}))
    result = tick(use_case, lake, serving, Ledger())
    assert "ada lifted the order: known" in str(result.skip_reason)
    lifted = read_order(folder)
    assert lifted is not None
    assert not lifted.is_in_force


def test_without_anything_that_lasts_nothing_is_done(use_case: UseCase, tmp_path: Path) -> None:
    lake, serving = Lake(root=str(tmp_path)), ServingHome(str(tmp_path), 0)
    decided(use_case, lake, None)
    assert "Nothing that is declared" in str(tick(use_case, lake, serving, Ledger()).skip_reason)
    assert read_order(serving.log_folder(use_case.name)) is None


def test_a_use_case_that_declares_nothing_has_no_such_sensor(use_case: UseCase) -> None:
    undeclared = declare(events={"payment": "int64", "at": "datetime", "amount": "float64"}, label="is_bad")
    declared, without = ({sensor.name for sensor in build_automation(case).sensors} for case in (use_case, undeclared))
    assert declared - without == {"small__degrade"}
