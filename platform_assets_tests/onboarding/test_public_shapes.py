"""Tables in the shape of public data sets, each from `init` to the verdict of its gates; no line of code is written for one."""

import json
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from platform_assets.cli.init import write_proposal
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.onboarding.facts import look_at
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.evaluate import compare_on_same_rows, judged_model_of
from platform_assets.pipelines.track_training import track
from platform_assets.pipelines.train import select_model
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.mlflow_tracker import MlflowRun
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, read_model_run, write_model_run
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.loaded_days import computed, loaded
from platform_assets.testing.public_shapes import SHAPES, Shape
from platform_assets.training.compare import refit
from platform_assets.training.dataset import read_dataset
from platform_assets.training.folds import refit_days


class Client:
    def log_batch(self, run_id: str, **logged: Any) -> None:
        self.logged = logged


def proposed(folder: Path, shape: Shape) -> UseCase:
    shape.rows().write_csv(folder / "data.csv")
    return load_use_case(
        write_proposal("shape", partial(look_at, str(folder / "data.csv")), shape.label, True, folder / "defs")
    )


def verdict_of(use_case: UseCase, folder: Path) -> Verdict:
    """What the gates say of the model that the declaration gives, as of the day after its history."""
    catalog = computed(loaded(use_case, folder, folder / "lake"))
    assert use_case.history.last_day is not None
    as_of = use_case.history.last_day + timedelta(days=1)
    build_training_set(catalog, as_of)
    frame = catalog.training_sets.read(as_of, as_of)
    data = read_dataset(use_case, frame)
    selection = select_model(use_case, data, as_of, lambda line: None)
    days = refit_days(as_of, use_case.label_delay_days, use_case.training.splits.train_days)
    predictor = refit(data, days, selection.winner, 0)
    run = folder / "run"
    run.mkdir()
    digest = write_model_run(run, predictor, selection.comparison, frame, use_case)
    track(
        MlflowRun(Client(), "run", None, "run"), run, use_case, predictor, selection.comparison, selection.winner.name
    )
    tags = {"as_of": as_of.isoformat(), "learner": selection.winner.name, MODEL_DIGEST_TAG: digest}
    version = RegisteredVersion(use_case.name, "1", "run", tags)
    subject = judged_model_of(use_case, frame, read_model_run(run), version)
    registry = FakeRegistry()
    registry.add(version, run)
    return judge(subject, compare_on_same_rows(subject, version, None, registry), date(2026, 6, 1), has_champion=False)


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_a_look_alike_goes_from_init_to_the_verdict_of_its_gates(tmp_path: Path, shape: Shape) -> None:
    use_case = proposed(tmp_path, shape)
    verdict = verdict_of(use_case, tmp_path)
    json.dumps(verdict.to_dict(), allow_nan=False)
    judged = {gate.name for gate in verdict.gates}
    assert {"training_data", "single_feature", "reproducible"} <= judged
    assert any(name.startswith("plausible") for name in judged)


def test_the_proposed_gates_stop_the_leak_that_a_user_puts_back(tmp_path: Path) -> None:
    """Both parts of the label under `features` again: the model is perfect, and not promoted."""
    shape = next(shape for shape in SHAPES if shape.name == "bicycles")
    proposed(tmp_path, shape)
    path = tmp_path / "defs" / "shape" / "defs.yaml"
    text = path.read_text()
    for name in ("casual", "registered"):
        text = text.replace(
            f"        # guess: {name} is left out",
            f"        - {{name: {name}, expression: {name}, description: put back}}\n        # guess: {name} is left out",
        ).replace("request: [", f"request: [{name}, ", 1)
    path.write_text(text)
    verdict = verdict_of(load_use_case(path), tmp_path)
    assert not verdict.passed
    failed = {gate.name for gate in verdict.gates if not gate.passed}
    assert "plausible_r2" in failed
