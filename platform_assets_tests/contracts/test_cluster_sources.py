"""What every source of a cluster's figures promises: the same hour of the same pods becomes the same usage, nothing counts twice, and an
answer that is none is refused with what to ask instead.

The answers in `cluster_answers_written_by_hand` follow the fields that OpenCost and Kubernetes document; no cluster gave them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.cost.cluster.base import ClusterAnswerUnusable
from platform_assets.monitoring.cost.cluster.pod_metrics import quantity
from platform_assets.monitoring.cost.cluster.registry import CLUSTER_SOURCES
from platform_assets.monitoring.cost.usage import Quantities, RunUsage, run_rows, usage_frame
from platform_assets.pipelines.record_cluster_usage import read_answer, record_cluster_usage
from platform_assets.testing.declare import declare

ANSWERS = Path(__file__).parent / "cluster_answers_written_by_hand"


def answered(source: str) -> Any:
    return read_answer(str(ANSWERS / f"{source}.json"))


def catalog(tmp_path: Path, name: str = "parking") -> Catalog:
    use_case: UseCase = declare(
        name=name, events={"visit": "int64", "at": "datetime", "amount": "float64"}, label="late"
    )
    return Catalog(use_case, Lake(str(tmp_path / "lake")))


@pytest.mark.parametrize("source", CLUSTER_SOURCES)
def test_pods_become_usage_of_what_they_did(source: str, tmp_path: Path) -> None:
    parking = catalog(tmp_path)
    found = record_cluster_usage(parking, source, answered(source))
    assert (len(found.rows), found.pods, found.known) == (2, 2, 0)
    service, step = parking.usage.read().sort("kind").iter_rows(named=True)
    assert (service["kind"], service["name"], service["run_id"]) == ("service", "3", None)
    assert (step["kind"], step["name"], step["job"], step["run_id"]) == ("training", "model/late", "train", "run-7")
    assert (service["seconds"], service["cpu_seconds"]) == pytest.approx((3600.0, 900.0))
    assert service["gigabyte_seconds"] == pytest.approx(1800.0, rel=1e-4)
    assert (step["cpu_seconds"], step["gigabyte_seconds"]) == pytest.approx((5400.0, 3600.0))


@pytest.mark.parametrize("source", CLUSTER_SOURCES)
def test_an_answer_counts_once(source: str, tmp_path: Path) -> None:
    parking = catalog(tmp_path)
    record_cluster_usage(parking, source, answered(source))
    again = record_cluster_usage(parking, source, answered(source))
    assert (again.rows, again.known, parking.usage.read().height) == ([], 2, 2)


@pytest.mark.parametrize("source", CLUSTER_SOURCES)
def test_the_pod_of_a_run_that_measured_itself_counts_for_nothing_more(source: str, tmp_path: Path) -> None:
    parking = catalog(tmp_path)
    [moment] = {pod.last for pod in CLUSTER_SOURCES[source].read(answered(source))}
    run = RunUsage("run-7", "parking", "train", "", moment, {"model/late": Quantities(3600.0, 5000.0)})
    parking.usage.append(usage_frame(run_rows(run)))
    found = record_cluster_usage(parking, source, answered(source))
    assert ([row["kind"] for row in found.rows], found.known) == (["service"], 1)


@pytest.mark.parametrize("source", CLUSTER_SOURCES)
def test_what_is_no_such_answer_is_refused(source: str, tmp_path: Path) -> None:
    for nothing in ([], {}, {"kind": "Status", "message": "forbidden"}, None):
        with pytest.raises(ClusterAnswerUnusable, match="this is no"):
            CLUSTER_SOURCES[source].read(nothing)
    (tmp_path / "cut.json").write_text(json.dumps(answered(source))[:-9])
    with pytest.raises(ClusterAnswerUnusable, match=r"cut\.json is no JSON"):
        read_answer(str(tmp_path / "cut.json"))
    with pytest.raises(ClusterAnswerUnusable, match=r"gone\.json cannot be read"):
        read_answer(str(tmp_path / "gone.json"))
    with pytest.raises(ClusterAnswerUnusable, match="none of 3 pods is of garage: their labels name it"):
        record_cluster_usage(catalog(tmp_path, "garage"), source, answered(source))


def test_opencost_says_what_is_reserved_and_which_gpus_are_held(tmp_path: Path) -> None:
    found = record_cluster_usage(catalog(tmp_path), "opencost", answered("opencost"))
    assert (found.used_core_seconds, found.reserved_core_seconds) == pytest.approx((6300.0, 10800.0))
    assert sum(row["gpu_seconds"] for row in found.rows) == pytest.approx(3600.0)


def test_an_allocation_that_lacks_something_is_named() -> None:
    whole = answered("opencost")
    del whole["data"][0]["parking-3a"]["cpuCoreUsageAverage"]
    with pytest.raises(ClusterAnswerUnusable, match="allocation 'parking-3a' has no 'cpuCoreUsageAverage'"):
        CLUSTER_SOURCES["opencost"].read(whole)
    by_namespace = {"data": [{"serving": {"properties": {"namespace": "serving"}}}]}
    with pytest.raises(ClusterAnswerUnusable, match="is of no pod: ask with `aggregate=pod`"):
        CLUSTER_SOURCES["opencost"].read(by_namespace)


def test_quantities_of_kubernetes() -> None:
    assert [quantity(text) for text in ("250m", "1Ki", "2", "3M", "12345n")] == pytest.approx(
        [0.25, 1024, 2, 3e6, 1.2345e-5]
    )
    with pytest.raises(ClusterAnswerUnusable, match="'much' is no quantity"):
        quantity("much")
