"""A red gate and a changed declaration under real orchestrators, in a small shop whose deliveries are files.

Belongs here: what a team would see when something is wrong. Does not belong here: a whole history (`test_the_same_to_the_byte.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from platform_assets.testing.declare import declaration, row
from platform_assets_tests.orchestrators.projects import ExportedProject

pytestmark = pytest.mark.orchestrators
MONDAY = date(2024, 3, 4)
HEADER = "sale,at,items,returned"


def sales(day: date, count: int = 5) -> list[str]:
    return [f"{1000 * day.toordinal() + i},{day}T0{8 + i // 6}:{i % 6}0:00Z,{1 + i % 5},{i % 2}" for i in range(count)]


class Shop:
    """Declarations and deliveries of a shop, and its exported project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "declared" / "shop"
        (self.folder / "data").mkdir(parents=True)
        self.declare()
        self.project = ExportedProject(folder / "project", folder / "home", "shop", folder / "declared")

    def declare(self, *features: str) -> None:
        attributes = declaration(
            name="shop",
            events={"sale": "int64", "at": "datetime", "items": "int32", "returned": [0, 1]},
            label="returned",
            connector={"kind": "files", "format": "csv", "path": "data/{event_day}.csv"},
            features=["items", *({"name": name, "rows": [row(f"{name}_items", "items * 2")]} for name in features)],
            training={"splits": {"train_days": 7, "delay_days": 1, "test_days": 7, "folds": 1}},
        )
        document = {"type": "platform_assets.MlUseCase", "attributes": attributes}
        (self.folder / "defs.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def deliver(self, day: date, lines: list[str]) -> None:
        (self.folder / "data" / f"{day}.csv").write_text("\n".join([HEADER, *lines]) + "\n")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_red_gate_fails_its_task_at_once_and_stops_what_follows(shop: Shop) -> None:
    shop.deliver(MONDAY, sales(MONDAY) * 3)
    assert shop.project.export("airflow").returncode == 0
    ran = shop.project.run_airflow(str(MONDAY + timedelta(days=1)))
    states = shop.project.states_in_airflow()
    assert states["raw/events"] == "success", ran.stdout[-3000:]
    assert states["clean/events"] == "failed", "and not up for a retry"
    assert states["features/as_delivered"] == states["training/training_set"] == "upstream_failed"
    assert shop.project.run_state_in_airflow() == "failed"
    assert "were not published (2024-03-04)" in ran.stdout
    assert states["serving/prediction_log"] == "skipped", "what takes the newest model goes on"


def test_a_red_gate_stops_a_flow_of_prefect(shop: Shop) -> None:
    shop.deliver(MONDAY, sales(MONDAY) * 3)
    assert shop.project.export("prefect").returncode == 0
    ran = shop.project.run_prefect(str(MONDAY + timedelta(days=1)))
    assert ran.returncode == 1
    assert "were not published (2024-03-04)" in ran.stdout
    assert "'features/as_delivered' - Finished in state NotReady" in ran.stdout, ran.stdout[-3000:]


def test_a_project_that_is_out_of_date_refuses_until_it_is_exported_again(shop: Shop) -> None:
    shop.deliver(MONDAY, sales(MONDAY))
    assert shop.project.export("airflow").returncode == 0
    shop.declare("another")
    stale = shop.project.export("airflow", "--check")
    assert stale.returncode == 1
    assert "out of date" in stale.stderr
    tuesday = str(MONDAY + timedelta(days=1))
    ran = shop.project.run_airflow(tuesday)
    assert shop.project.states_in_airflow()["raw/events"] == "failed"
    assert "is out of date" in ran.stdout
    assert shop.project.export("airflow").returncode == 0
    shop.project.run_airflow(tuesday)
    states = shop.project.states_in_airflow()
    assert states["raw/events"] == states["clean/events"] == states["features/as_delivered"] == "success"
