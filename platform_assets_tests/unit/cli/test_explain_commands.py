"""`platform-assets explain`, `audit` and `erase`, in a small world that answered requests."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from platform_assets.cli import app
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.pipelines.maintain import PinnedTables
from platform_assets.testing.answered_world import AnsweredWorld
from platform_assets.testing.payments import FIRST_DAY, use_case
from platform_assets_tests.unit.pipelines.answered import SERVED, payments

Run = Callable[..., Result]


@pytest.fixture
def world(tmp_path: Path) -> AnsweredWorld:
    world = AnsweredWorld(tmp_path, use_case(), *payments(each_day=20))
    world.load(FIRST_DAY, SERVED - timedelta(days=1))
    world.release("1", world.train("logistic_regression", SERVED))
    world.serve(SERVED)
    return world


@pytest.fixture
def run(world: AnsweredWorld, monkeypatch: pytest.MonkeyPatch) -> Run:
    declared = [DeclaredUseCase(world.use_case, world.root)]
    monkeypatch.setattr("platform_assets.declaration.loader.declared_use_cases", lambda name=None: declared)
    monkeypatch.setattr("platform_assets.pipelines.maintain.read_pins", lambda *_: PinnedTables((), ()))
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(world.root))
    return lambda *words: CliRunner().invoke(app, words)


def test_explain_prints_what_made_it_and_writes_a_page(world: AnsweredWorld, run: Run, tmp_path: Path) -> None:
    request = world.catalog.predictions.read()["request_id"][0]
    said = run("explain", request, "--html", str(tmp_path / "page.html"))
    assert said.exit_code == 0, said.output
    for word in ("equal to the bit", "clean/payments version", "model version 1", "terms of the linear model"):
        assert word in said.output
    assert request in (tmp_path / "page.html").read_text()
    document = json.loads(run("explain", f"caller-{request}", "--json", "--day", SERVED.isoformat()).stdout)
    assert (document["format"], document["proven"], document["request_id"]) == (1, True, request)
    unknown = run("explain", "nobody")
    assert unknown.exit_code == 1
    assert "no prediction of payments has the request id 'nobody'" in " ".join(unknown.output.split())


def test_several_requests_are_explained_at_once(world: AnsweredWorld, run: Run, tmp_path: Path) -> None:
    first, second = world.catalog.predictions.read()["request_id"][:2]
    both = run("explain", first, second, "--json")
    assert both.exit_code == 0, both.output
    assert [json.loads(line)["request_id"] for line in both.stdout.splitlines()] == [first, second]
    mixed = run("explain", first, "nobody", second)
    assert mixed.exit_code == 1, "one of them has no answer that could be proven"
    assert "2 of 3 requests are equal to the bit" in mixed.output
    assert "not proven: nobody" in mixed.output
    page = run("explain", first, second, "--html", str(tmp_path / "page.html"))
    assert page.exit_code == 2
    assert "a page is of one request" in page.output


def test_audit_anchors_verifies_and_names_the_first_bad_row(world: AnsweredWorld, run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "anchor.json"
    assert run("audit", "anchor", "payments", "--output", str(kept)).exit_code == 0
    assert run("audit", "verify", "payments", "--against", str(kept)).exit_code == 0
    [segment] = world.log_folder.glob("*.jsonl")
    segment.write_text(segment.read_text().replace('"decision":"', '"decision":"not ', 1))
    said = run("audit", "verify")
    assert said.exit_code == 1
    assert f"{segment.name}:" in said.output
    assert run("audit", "anchor", "payments").exit_code == 1, "what is not right is not anchored"
    faults = json.loads(run("audit", "verify", "--json").stdout)["payments"]["faults"]
    assert faults[0]["place"].startswith(segment.name)
    assert any("differs from its line in decision" in fault["reason"] for fault in faults)
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "head": "0" * 64}))
    assert "no anchor here has the head" in run("audit", "verify", "--against", str(kept)).output


def test_erase_says_what_would_go_and_wants_a_reason(world: AnsweredWorld, run: Run) -> None:
    before = world.catalog.predictions.read().height
    said = run("erase", "payments", "--entity", "card_id=3", "--dry-run")
    assert said.exit_code == 0, said.output
    assert "would be erased" in said.output
    assert world.catalog.predictions.read().height == before
    assert "say why" in run("erase", "payments", "--entity", "card_id=3").output
