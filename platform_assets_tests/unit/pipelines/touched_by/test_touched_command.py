"""`platform-assets lineage touched`: lists, answers without the file, a page and a table to send on."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from platform_assets.cli import app
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.pipelines.explain_prediction.find import find_prediction
from platform_assets.pipelines.explain_prediction.state_then import state_then
from platform_assets.pipelines.touched_by.file_rows import find_file_rows
from platform_assets.registry.model_store import ModelStore
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.testing.filed_world import FiledWorld
from platform_assets_tests.unit.pipelines.answered import SERVED

FILE = f"payments/{SERVED}-b.csv"
Run = Callable[..., Result]


@pytest.fixture
def run(filed: FiledWorld, monkeypatch: pytest.MonkeyPatch) -> Run:
    declared = [DeclaredUseCase(filed.use_case, filed.root)]
    monkeypatch.setattr("platform_assets.declaration.loader.declared_use_cases", lambda name=None: declared)
    monkeypatch.setattr(ModelStore, "registry", lambda self: FakeRegistry())
    monkeypatch.setenv("PLATFORM_ASSETS_HOME", str(filed.root))
    return lambda *words: CliRunner().invoke(app, ["lineage", "touched", *words])


def test_touched_predictions_are_listed_scored_again_and_written(run: Run, filed: FiledWorld, tmp_path: Path) -> None:
    page, lines = tmp_path / "page.html", tmp_path / "lines.csv"
    answered = run(FILE, "--again", "--csv", str(lines), "--html", str(page), "--json")
    assert answered.exit_code == 0, answered.output
    document = json.loads(answered.stdout)
    assert (document["source"], document["rows_delivered"], document["rows_published"]) == ("payments", 12, 12)
    assert document["by_features"]
    assert document["scored_again"] == len(document["by_features"])
    listed = pl.read_csv(lines)
    assert set(listed.filter(touched_by="features")["request_id"]) == {
        row["request_id"] for row in document["by_features"]
    }
    text = page.read_text()
    assert document["by_features"][0]["request_id"] in text
    assert "of these with another decision" in text
    assert "behind a feature" in run(FILE).output


def test_the_answer_without_a_file_is_that_of_a_state_without_its_rows(run: Run, filed: FiledWorld) -> None:
    """Each request of the second day again, as `explain` reads its state, with the file's payments taken away one by one."""
    document = json.loads(run(FILE, "--again", "--json").stdout)
    rows = find_file_rows(filed.catalog, FILE).ever_published()
    for touched in document["by_features"][:6]:
        found = find_prediction(filed.catalog, filed.log_folder, touched["request_id"])
        assert found is not None
        state = state_then(filed.catalog, found.row)
        state = type(state)(**{**vars(state), "events": state.events.join(rows, on="payment_id", how="anti")})
        values = state.features().drop("payment_id").row(0)
        [[_, _, predictor]] = filed.answers
        inputs = [[float("nan") if value is None else value for value in values]]
        assert touched["score_without"] == predictor.predict(inputs)[0]


def test_a_mistake_of_typing_is_2_and_says_what_may_be_named(run: Run) -> None:
    unknown = run("nothing.csv")
    assert unknown.exit_code == 2
    assert "SOURCE/YYYY-MM-DD" in unknown.output
    assert run().exit_code == 2
    version = run("--version", "clean/payments@999")
    assert version.exit_code == 1
    assert "wrote rows; versions" in " ".join(version.output.split())
