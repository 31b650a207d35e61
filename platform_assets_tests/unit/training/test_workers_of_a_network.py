"""How the workers of a network share its batches, and where an installation places them."""

import json
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.settings import Settings, SettingsError
from platform_assets.training.distributed.cluster import ClusterError, cluster
from platform_assets.training.distributed.placement import engine, placed
from platform_assets.training.distributed.ray_train import RayTrain
from platform_assets.training.learners import make_learner
from platform_assets.training.network.group import part
from platform_assets.training.network.job import Job, read_layers, write_layers
from platform_assets.training.network.torchrun import failure_reason
from platform_assets.training.tuning.optuna_engine import OptunaEngine


@given(rows=st.integers(0, 300), workers=st.integers(1, 20))
def test_the_parts_of_a_batch_are_the_batch(rows: int, workers: int) -> None:
    parts = [list(range(rows))[part(rows, rank, workers)] for rank in range(workers)]
    assert [row for rows_of_one in parts for row in rows_of_one] == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_job_reads_back_as_it_was_written(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    settings = make_learner("torch_mlp", {"hidden_units": [4, 2]}).settings
    job = Job(
        rng.random((5, 3), dtype=np.float32),
        rng.random(5, dtype=np.float32),
        rng.random(5) < 0.5,
        "binary",
        settings,
        7,
    )
    job.write(tmp_path)
    read = Job.read(tmp_path)
    assert (read.objective, read.seed, tuple(read.settings["hidden_units"])) == ("binary", 7, (4, 2))
    for name in ("inputs", "target", "held_out"):
        np.testing.assert_array_equal(getattr(read, name), getattr(job, name))
        assert getattr(read, name).dtype == getattr(job, name).dtype


def test_layers_read_back_in_order(tmp_path: Any) -> None:
    layers = tuple((np.full((2, 3), float(n)), np.full(2, float(n))) for n in range(12))
    write_layers(layers, tmp_path)
    read = read_layers(tmp_path)
    assert [weights[0, 0] for weights, _ in read] == list(range(12))
    assert [biases.shape for _, biases in read] == [(2,)] * 12


def test_of_several_failures_the_first_is_told_and_where_there_is_none_what_the_launcher_said(tmp_path: Any) -> None:
    (tmp_path / "log.txt").write_text("one\ntwo\nthree\nno such file\n")
    assert failure_reason(tmp_path, 1) == "the launcher ended with 1: two / three / no such file"
    assert failure_reason(tmp_path, -9).startswith("the launcher was killed by SIGKILL")
    told = [{"rank": 1, "problem": "killed by SIGKILL"}, {"rank": 0, "problem": "RuntimeError: connection closed"}]
    (tmp_path / "failures.json").write_text(json.dumps(told))
    assert failure_reason(tmp_path, 3) == "worker 1 failed: killed by SIGKILL (1 more ended with it)"


def test_an_installation_without_settings_leaves_every_learner_as_it_is() -> None:
    for name in ("torch_mlp", "xgboost", "ridge"):
        learner = make_learner(name, objective="regression")
        assert placed(learner) is learner
    assert isinstance(engine("optuna", make_learner("xgboost")), OptunaEngine)


def test_an_installation_sets_the_workers_of_networks_only() -> None:
    assert placed(make_learner("torch_mlp", {"workers": 2}), workers=4).settings["workers"] == 4
    assert "workers" not in placed(make_learner("xgboost"), workers=4).settings


def test_on_a_cluster_several_workers_fit_there_and_one_fits_here() -> None:
    one, two = (placed(make_learner("torch_mlp", {"workers": n}), "head:6379") for n in (1, 2))
    assert one.kind is make_learner("torch_mlp").kind
    assert two.kind.fit.keywords == {"train_together": RayTrain("head:6379")}  # type: ignore[attr-defined]


def test_a_trial_on_a_cluster_reserves_what_its_fit_uses() -> None:
    def reserved(name: str, **settings: int) -> Any:
        return getattr(engine("optuna", make_learner(name, settings), "auto"), "cpus_per_trial", None)

    assert reserved("xgboost", threads=3) == 3.0
    assert reserved("torch_mlp", threads=2, workers=4) == 8.0
    assert reserved("constant") == 1.0


def test_settings_name_cluster_and_workers() -> None:
    found = Settings.from_environment({"PLATFORM_ASSETS_RAY_ADDRESS": "auto", "PLATFORM_ASSETS_TRAINING_WORKERS": "3"})
    assert (found.ray_address, found.training_workers) == ("auto", 3)
    unset = Settings.from_environment({})
    assert (unset.ray_address, unset.training_workers) == (None, None)
    with pytest.raises(SettingsError, match="PLATFORM_ASSETS_TRAINING_WORKERS"):
        Settings.from_environment({"PLATFORM_ASSETS_TRAINING_WORKERS": "none"})


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'platform-assets\[ray\]'"), cluster("auto"):
        pass


def test_rays_client_protocol_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ClusterError, match="HOST:6379"), cluster("ray://head:10001"):
        pass
