"""Counters of several processes that are killed and started again, on one page."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from platform_assets.deployment.local.doors.exposition import Exposed, merged

WORKERS, STARTS = 4, 20
SCRIPT = Path(__file__).with_name("counting_processes.py")


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Mapping[str, float]]]:
    """What four processes counted over 20 starts each, every one of them killed."""
    folder = tmp_path_factory.mktemp("counts")
    command = [sys.executable, str(SCRIPT), str(folder / "home"), str(WORKERS), str(STARTS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return folder / "home", json.loads(ran.stdout)


def sums(folder: Path, start: int) -> dict[str, float]:
    """What a page of all processes after a start adds up to, by name; of the histogram's buckets those up to a second."""
    exposed = [
        Exposed({"process": f"worker-{number}"}, (folder / "pages" / f"worker-{number}.{start}").read_text())
        for number in range(WORKERS)
    ]
    total: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(merged(exposed)):
        for sample in family.samples:
            if sample.labels.get("le", "1.0") == "1.0":
                total[sample.name] += sample.value
    return total


def test_counters_of_4_processes_killed_20_times_are_exact(
    counted: tuple[Path, Mapping[str, Mapping[str, float]]],
) -> None:
    folder, totals = counted
    page = sums(folder, STARTS - 1)
    assert page["answers_total"] == sum(one["answers"] for one in totals.values())
    observed, slow = (sum(one[name] for one in totals.values()) for name in ("observed", "slow"))
    assert (page["answer_seconds_count"], page["answer_seconds_bucket"]) == (observed, observed - slow)


def test_no_sum_ever_goes_back_and_a_gauge_is_that_of_the_process_that_lives(
    counted: tuple[Path, Mapping[str, Mapping[str, float]]],
) -> None:
    folder, _ = counted
    pages = [sums(folder, start) for start in range(STARTS)]
    for before, after in pairwise(pages):
        assert all(after[name] >= before[name] for name in before if name != "waiting")
    assert [page["waiting"] for page in pages] == [WORKERS * start for start in range(STARTS)]


def test_what_a_power_cut_left_of_a_file_does_not_keep_a_process_from_starting(tmp_path: Path) -> None:
    damaged = tmp_path / "worker-0" / "counter_kept.db"
    damaged.parent.mkdir()
    damaged.write_bytes(b"\xff" * 5000)
    command = [sys.executable, str(SCRIPT), str(tmp_path), "1", "2"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "begin at 0 again" in ran.stderr
    page = (tmp_path / "pages" / "worker-0.1").read_text()
    answers = sum(s.value for f in text_string_to_metric_families(page) for s in f.samples if s.name == "answers_total")
    assert answers == json.loads(ran.stdout)["worker-0"]["answers"]
