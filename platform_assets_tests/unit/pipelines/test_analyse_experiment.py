"""A simulated A/B test from the lake's tables: an effect is found, an A/A is not, a mismatch of the sample ratio blocks the verdict."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.experiments.analysis.verdict import ExperimentOutcome
from platform_assets.experiments.assignment import split_of
from platform_assets.experiments.design import DesignError
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.analyse_experiment import (
    ExperimentNotRun,
    analyse_experiment,
    write_experiment_report,
)
from platform_assets.pipelines.design_experiment import design_experiment
from platform_assets.pipelines.experiment_rows import latest_test
from platform_assets.pipelines.running_experiments import (
    ExperimentChanged,
    record_start,
    refuse_another_plan,
    started_experiment,
)
from platform_assets.registry.base import RegisteredVersion
from platform_assets.registry.ledger import Entry, Ledger, ledger_table

from .experiment_world import AS_OF, DAYS, DELAY_DAYS, FIRST_DAY, RUNNING, TEST_BEGINS, TEST_DAYS, Shop, shop

VERSION = RegisteredVersion("shop", "2", "run", {})


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Shop(better=0.45).catalog(tmp_path_factory.mktemp("better"))


def begun(folder: Path) -> Ledger:
    """A ledger that knows the begin of the test."""
    ledger = Ledger(ledger_table(str(folder / "ledger")))
    record_start(shop(), ledger, split_of("shop", RUNNING, "customer", 0.9, 0.5), VERSION, "sha256:new", "run-1")
    return ledger


def test_a_planted_effect_is_found_with_the_path_of_its_evidence(better: Catalog, tmp_path: Path) -> None:
    analysed = analyse_experiment(better, begun(tmp_path))
    analysis, verdict = analysed.analysis, analysed.analysis.verdict
    assert verdict.outcome is ExperimentOutcome.BETTER, verdict.sentence
    assert analysis.name == RUNNING
    assert analysis.first_day == TEST_BEGINS
    assert analysed.as_of == AS_OF
    assert [found.guard for found in verdict.guardrails] == ["refused", "latency_p99"]
    assert verdict.effect is not None
    assert verdict.effect.day == AS_OF - timedelta(days=DELAY_DAYS), "the last day whose labels are complete"
    assert analysis.requests.pending > 0
    assert analysis.requests.outside / 1500 / TEST_DAYS == pytest.approx(0.1, abs=0.03)
    assert analysed.evidence["ledger_entry"] == f"shop/experiment_started/{RUNNING}"
    assert len(analysed.evidence["tables"]) == 3
    page = write_experiment_report(analysed, tmp_path)
    text = page.read_text()
    for expected in ("data:image/png;base64,", "Sample ratio", "refused", "sha256:new", f"shop/{RUNNING}", "better"):
        assert expected in text
    stored = json.loads(page.with_suffix(".json").read_text())
    assert stored["verdict"]["outcome"] == "better"
    assert len(stored["path"]) == len(analysis.path) > 5


def test_the_same_day_gives_the_same_verdict_and_an_earlier_one_less(better: Catalog) -> None:
    once, again = (analyse_experiment(better).analysis.verdict for _ in range(2))
    assert once == again
    early = analyse_experiment(better, as_of=TEST_BEGINS + timedelta(days=1)).analysis
    assert early.verdict.outcome is ExperimentOutcome.CANNOT_TELL
    assert early.path == ()


def test_an_a_a_test_is_not_decided(tmp_path: Path) -> None:
    verdict = analyse_experiment(Shop(better=0.0, seed=3).catalog(tmp_path)).analysis.verdict
    assert verdict.outcome is ExperimentOutcome.CANNOT_TELL, verdict.sentence


def test_a_mismatch_of_the_sample_ratio_is_told_and_blocks_the_verdict(tmp_path: Path) -> None:
    verdict = analyse_experiment(Shop(better=0.45, lost=0.15).catalog(tmp_path)).analysis.verdict
    assert verdict.outcome is ExperimentOutcome.NOT_VALID
    assert "Sample ratio mismatch" in verdict.sentence


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"measure": "unpaid"}, "measure"),
        ({"direction": "increase"}, "direction"),
        ({"assign_by": "order"}, "assign_by"),
        ({"treatment_ratio": 0.4}, "treatment_ratio"),
        ({"traffic_ratio": 0.5}, "traffic_ratio"),
        ({"guardrails": []}, "guardrails"),
    ],
)
def test_another_plan_under_the_name_of_a_running_test_is_refused(
    better: Catalog, tmp_path: Path, changes: dict[str, object], field: str
) -> None:
    ledger = begun(tmp_path)
    other = Catalog(shop(**changes), better.lake)
    with pytest.raises(ExperimentChanged, match=f"another {field}"):
        analyse_experiment(other, ledger)
    with pytest.raises(ExperimentChanged, match="a name of its own"):
        refuse_another_plan(other.use_case, ledger, split_of("shop", RUNNING, "customer", 0.9, 0.5))


def test_what_moves_nobody_may_change_and_another_name_is_another_test(better: Catalog, tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    more = shop(traffic_ratio=1.0, hypothesis="Said in other words, and longer.")
    assert analyse_experiment(Catalog(more, better.lake), ledger).started.plan.traffic_ratio == 0.9
    renamed = Catalog(shop(name="another_model", measure="unpaid"), better.lake)
    analysed = analyse_experiment(renamed, ledger)
    assert analysed.started.plan.measure == shop().experiment.measure, "the one that runs goes on by its own plan"  # type: ignore[union-attr]


def test_a_share_that_was_raised_by_hand_is_what_the_analysis_counts_by(better: Catalog, tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    first = started_experiment(shop(), ledger, RUNNING)
    larger = replace(first.split, traffic=9_800)
    for name, split in (("1", larger), ("2", replace(larger, name="another_test", traffic=9_900))):
        evidence = {"split": split.header(), "why": "a quiet evening"}
        entry = Entry(
            f"shop/rollout_raised/{name}", datetime.now(UTC), "shop", "rollout_raised", "7", "6", "", evidence, "r"
        )
        ledger.record(entry)
    assert started_experiment(shop(), ledger, RUNNING).split == larger
    assert analyse_experiment(better, ledger).started.split == larger


def test_the_begin_of_a_test_is_recorded_once(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    first = started_experiment(shop(), ledger, RUNNING)
    record_start(shop(), ledger, first.split, VERSION, "sha256:again", "run-2")
    assert ledger.entries("shop").height == 1
    assert first.at is not None
    assert first.at <= datetime.now(UTC)


def test_without_a_test_it_is_told_what_to_do(better: Catalog, tmp_path: Path) -> None:
    empty = Catalog(shop(), type(better.lake)(root=str(tmp_path)))
    assert latest_test(empty) is None
    with pytest.raises(ExperimentNotRun, match="strategy: ab"):
        analyse_experiment(empty)
    with pytest.raises(ExperimentNotRun, match="was part of test 'other'"):
        analyse_experiment(better, name="other")


def test_a_measure_that_cannot_be_computed_names_its_field(better: Catalog) -> None:
    with pytest.raises(DesignError, match=r"experiment\.measure"):
        analyse_experiment(Catalog(shop(measure="refund"), better.lake))


def test_the_design_knows_what_was_answered_too(better: Catalog) -> None:
    plan = design_experiment(better)
    assert 0 < plan.base < 60
    assert (plan.first_day, plan.last_day) == (FIRST_DAY, FIRST_DAY + timedelta(days=DAYS - DELAY_DAYS))


def test_a_retried_event_counts_once(better: Catalog, tmp_path: Path) -> None:
    twice = Shop(better=0.45).catalog(tmp_path)
    log = twice.predictions
    rows = log.read(TEST_BEGINS, TEST_BEGINS)
    again = pl.concat([rows, rows.with_columns(request_id=pl.col("request_id") + "-again")])
    log.write_partitions(again, TEST_BEGINS, TEST_BEGINS)
    assert analyse_experiment(twice).analysis.verdict == analyse_experiment(better).analysis.verdict
