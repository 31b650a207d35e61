"""An entity that is erased is nowhere any more, the chain stays whole, and the others can still be explained."""

import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from platform_assets.lake.pins import Pin
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.pipelines.audit import erasure_table, verify_audit, write_anchor
from platform_assets.pipelines.erase.erase import ErasedAll, ErasureRequest, erase_entity
from platform_assets.pipelines.erase.person import ErasureRefused, named_entity
from platform_assets.pipelines.explain_prediction.explain import explain_prediction
from platform_assets.pipelines.explain_prediction.find import find_prediction
from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.payments import FIRST_DAY, use_case
from platform_assets_tests.unit.pipelines.answered import SERVED, payments

CARD = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> AnsweredWorld:
    """A day that was answered and stored, with its features, and an anchor of its log."""
    world = AnsweredWorld(tmp_path_factory.mktemp("made"), use_case(), *payments())
    world.load(FIRST_DAY, SERVED - timedelta(days=1))
    world.release("1", world.train("logistic_regression", SERVED))
    world.serve(SERVED)
    world.compute(SERVED, SERVED)
    write_anchor(world.catalog, world.log_folder)
    return world


@pytest.fixture
def world(made: AnsweredWorld, tmp_path: Path) -> AnsweredWorld:
    shutil.copytree(made.root, tmp_path / "copy")
    return AnsweredWorld(tmp_path / "copy", made.use_case, made.events, made.labels, made.answers)


def erased(world: AnsweredWorld, pins: tuple[Pin, ...] = (), **how: bool) -> ErasedAll:
    entity = named_entity(world.catalog, f"card_id={CARD}")
    return erase_entity(world.catalog, entity, world.serving, pins, ErasureRequest("officer", "asked for", **how))


def files_with_the_card(world: AnsweredWorld) -> list[str]:
    keys = world.catalog.use_case.event_source.primary_key
    own = world.events.filter(pl.col("card_id") == CARD).select(keys)
    found = []
    for path in sorted((world.root / "lake").rglob("*.parquet")):
        frame = pl.read_parquet(path, hive_partitioning=False)
        by_card = "card_id" in frame.columns and bool((frame["card_id"] == CARD).any())
        by_key = set(keys) <= set(frame.columns) and frame.join(own, on=list(keys), how="semi").height > 0
        if by_card or by_key:
            found.append(path.relative_to(world.root).as_posix())
    return found


def test_nothing_of_it_is_left_and_the_rest_is_explained(world: AnsweredWorld) -> None:
    others = [row["request_id"] for row in world.catalog.predictions.read().to_dicts() if row["card_id"] != CARD]
    before = world.catalog.predictions.read().height
    assert files_with_the_card(world)
    done = erased(world)
    assert {one.table for one in done.tables} >= {"clean/payments", "clean/labels", "serving/prediction_log"}
    assert files_with_the_card(world) == []
    assert world.catalog.predictions.read().height == len(others) < before
    segments = read_segments(world.log_folder, world.use_case)
    assert (segments.frame["card_id"] == CARD).sum() == 0
    assert segments.erased_lines == before - len(others) == done.lines.lines
    audit = verify_audit(world.catalog, world.log_folder)
    assert audit.passed, audit.faults
    for request in others[::9]:
        found = find_prediction(world.catalog, world.log_folder, request)
        assert found is not None
        explained = explain_prediction(world.catalog, found, world.serving, world.models)
        assert explained.answer.same
        assert explained.is_proven, explained.verdict
    assert erased(world).found_nothing, "the second time there is nothing left"


def test_the_record_does_not_say_who_it_was(world: AnsweredWorld) -> None:
    done = erased(world)
    [row] = erasure_table(world.catalog).read().to_dicts()
    assert (row["erasure"], row["who"], row["why"], row["entity"]) == (done.erasure, "officer", "asked for", "card")
    assert row["value_hash"] == named_entity(world.catalog, f"card={CARD}").keyed_hash(
        (world.root / "erasure.key").read_bytes()
    )
    assert (world.root / "erasure.key").stat().st_mode & 0o077 == 0


def test_a_dry_run_changes_nothing(world: AnsweredWorld) -> None:
    files = files_with_the_card(world)
    would = erased(world, dry_run=True)
    assert would.lines.lines > 0
    assert files_with_the_card(world) == files
    assert not erasure_table(world.catalog).exists()


def test_what_a_model_was_made_from_is_kept_and_said_unless_it_goes_too(world: AnsweredWorld) -> None:
    pin = Pin("payments/clean/payments", 1, "model", "model version 1")
    pinned = world.catalog.events.stored.read(version=1).filter(pl.col("card_id") == CARD).height
    done = erased(world, (pin,))
    assert pinned
    assert any("model version 1" in line and "--also-pinned" in line for line in done.left)
    assert files_with_the_card(world)
    erased(world, (pin,), also_pinned=True)
    assert files_with_the_card(world) == []


def test_an_erased_line_that_nobody_recorded_is_found(world: AnsweredWorld) -> None:
    erased(world)
    table = erasure_table(world.catalog)
    table.replace(table.read().clear(), allow_empty=True)
    audit = verify_audit(world.catalog, world.log_folder)
    assert "no record of erasure" in audit.faults[0].reason


@pytest.mark.parametrize("text", ["card_id", "card_id=", "person=7", "card_id=x"])
def test_who_is_meant_has_to_be_clear(world: AnsweredWorld, text: str) -> None:
    with pytest.raises(ErasureRefused):
        named_entity(world.catalog, text)
