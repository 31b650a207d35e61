"""The same as-of day and the same data give the same model and the same figures, in this process and in a fresh one.

Belongs here: the whole way from a training set in the lake to a registered version, taken more than once; also run as a
program, to take it in a fresh process. Does not belong here: single learners (`test_saved_models.py`).
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platform_assets.registry.training_run import read_model_run
from platform_assets_tests.gates.model_world import AS_OF, LATER, MODEL, ModelWorld, declared, learner, new_world

LEARNERS = (
    learner("constant", baseline=True),
    learner("logistic_regression", baseline=True),
    learner("random_forest", n_estimators=20, threads=2),
    learner("xgboost", n_estimators=30, threads=2),
    learner("torch_mlp", hidden_units=[8], max_epochs=3),
)


def train(root: Path, as_of: str) -> str:
    """Materialize the model; JSON with everything that has to be the same again."""
    world = ModelWorld(root, root / "lake", declared(LEARNERS))
    assert world.materialize([MODEL], as_of=type(AS_OF).fromisoformat(as_of)).success
    version = world.registry.by_as_of("card_fraud", as_of)
    assert version is not None
    run = read_model_run(world.registry.run_folder(version))
    metrics = world.registry.metrics(version)
    candidates = {
        name: {key: value for key, value in result.items() if key != "seconds"}
        for name, result in run.comparison["candidates"].items()
    }
    return json.dumps(
        {
            "version": version.version,
            "tags": {name: value for name, value in version.tags.items() if name != "dagster_run_id"},
            "model_files": {path.name: path.read_bytes().hex()[-64:] for path in run.predictor_folder.iterdir()},
            "candidates": candidates,
            "logged": {name: repr(value) for name, value in metrics.items() if not name.endswith(".seconds")},
            "latest_fold": run.latest_fold().write_json(),
            "sample": run.sample().write_json(),
        }
    )


@dataclass(frozen=True)
class Trained:
    """What came of training three times as of one day, and once as of another."""

    first: dict[str, Any]
    again: dict[str, Any]
    elsewhere: dict[str, Any]
    another_day: dict[str, Any]


@pytest.fixture(scope="module")
def model_world(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = new_world(tmp_path_factory, tmp_path_factory.mktemp("twice") / "world").root
    first, again = train(root, str(AS_OF)), train(root, str(AS_OF))
    fresh = subprocess.run(
        [sys.executable, __file__, str(root), str(AS_OF)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert fresh.returncode == 0, fresh.stderr
    last = train(root, str(LATER))
    return Trained(json.loads(first), json.loads(again), json.loads(fresh.stdout.splitlines()[-1]), json.loads(last))


def test_each_training_is_a_version_of_its_own(model_world: Trained) -> None:
    trained = (model_world.first, model_world.again, model_world.elsewhere)
    assert [found["version"] for found in trained] == ["1", "2", "3"]


@pytest.mark.parametrize("other", ["again", "elsewhere"])
def test_the_model_is_the_same_to_the_byte(model_world: Trained, other: str) -> None:
    found = getattr(model_world, other)
    assert {**found["tags"], "code_version": ""} == {**model_world.first["tags"], "code_version": ""}
    assert found["tags"]["model_digest"].startswith("sha256:")
    assert found["model_files"] == model_world.first["model_files"]
    assert found["sample"] == model_world.first["sample"]


@pytest.mark.parametrize("other", ["again", "elsewhere"])
def test_the_figures_of_every_learner_are_the_same_to_the_last_digit(model_world: Trained, other: str) -> None:
    found = getattr(model_world, other)
    assert set(found["candidates"]) == {item.name for item in LEARNERS}
    assert all(not result["failure"] for result in found["candidates"].values())
    assert found["candidates"] == model_world.first["candidates"]
    assert found["logged"] == model_world.first["logged"]
    assert found["latest_fold"] == model_world.first["latest_fold"]


def test_the_lineage_names_what_made_the_model(model_world: Trained) -> None:
    tags = model_world.first["tags"]
    assert {"as_of", "learner", "feature_contract", "code_version", "seed", "data_versions"} <= set(tags)
    assert json.loads(tags["data_versions"])


def test_another_day_gives_another_model(model_world: Trained) -> None:
    assert model_world.another_day["tags"]["model_digest"] != model_world.first["tags"]["model_digest"]
    assert model_world.another_day["candidates"] != model_world.first["candidates"]


if __name__ == "__main__":
    sys.stdout.write("\n" + train(Path(sys.argv[1]), sys.argv[2]) + "\n")
