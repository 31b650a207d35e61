"""After one command: data, a model that earned it, a service that answers, a log, a verdict, and a screen that says so."""

import html
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import dagster as dg
import httpx
import polars as pl
import pytest
import yaml
from deltalake import DeltaTable

from platform_assets.declaration.names import PREDICTION_LOG, TRAINING_SET
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.features.consistency.parity import compare
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.layout import FEATURES, MODEL, SERVING, TRAINING
from platform_assets.registry.base import CHAMPION

from .conftest import LivedIn

ANSWERS_WITHIN_SECONDS = 60


def test_the_screen_tells_the_whole_story(lived_in: LivedIn) -> None:
    screen = lived_in.screen
    for table in ("customers", "terminals", "transactions", "labels"):
        assert re.search(rf"{table}\s+[\d,]+ rows, [\d,]+ refused", screen), table
    assert re.search(r"checks\s+\d+ passed, \d+ failed", screen)
    for learner in lived_in.use_case.training.learners:
        assert learner.name in screen
    assert re.search(r"champion\s+version 1: \w+ as of \d{4}-\d\d-\d\d\. \S", screen), "who won, and why"
    assert f"http://127.0.0.1:{lived_in.port}/v1/card_fraud" in screen
    assert re.search(r"p50 [\d.]+ ms, p99 [\d.]+ ms", screen)
    assert re.search(r"drift\s+\w+: \S", screen)
    assert re.search(r"quality\s+\w+: \S", screen)
    reports = re.findall(r"report (\S+\.html)", screen)
    assert reports
    assert all(os.path.getsize(report) > 0 for report in reports)
    for next_command in ("make dev", "make status", "make stop"):
        assert next_command in screen


def test_every_live_request_was_answered(lived_in: LivedIn) -> None:
    assert lived_in.requests_sent > 1000
    assert "live requests, 0 failed" in lived_in.screen


def test_progress_was_visible_throughout(lived_in: LivedIn) -> None:
    steps = lived_in.printed.split("» ")[1:]
    assert len(steps) >= 8
    loads = [step for step in steps if step.startswith("load labels")]
    assert loads
    assert all("passed" in step for step in loads), "a load shows its checks while it runs"


def test_the_printed_curl_answers(lived_in: LivedIn) -> None:
    done = subprocess.run(["bash", "-c", lived_in.curl], capture_output=True, text=True, check=True, timeout=30)
    body = json.loads(done.stdout)
    assert 0 <= body["probability"] <= 1
    assert body["decision"] in {"approve", "decline"}
    assert body["model_version"] == "1"
    assert body["request_id"]


def test_the_training_set_pins_the_versions_it_was_made_from(lived_in: LivedIn) -> None:
    with lived_in.instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["card_fraud", TRAINING, TRAINING_SET]))
    assert event is not None
    assert event.asset_materialization is not None
    pinned = event.asset_materialization.metadata["data_versions"].value
    assert isinstance(pinned, dict)
    names = {str(name).rsplit("/", 1)[-1] for name in pinned}
    assert names == {"labels", *(view.name for view in lived_in.use_case.features)}
    for name, version in pinned.items():
        table = DeltaTable(lived_in.settings.lake.rstrip("/") + "/" + str(name).lstrip("/"), version=int(str(version)))
        assert table.version() == version, "the pinned version can be read again"
    champion = lived_in.models.registry().by_alias("card_fraud", CHAMPION)
    assert champion is not None
    assert champion.tag_json("data_versions"), "the model says which data it was trained on"


def test_the_ledger_remembers_the_promotion_and_the_deployment(lived_in: LivedIn) -> None:
    entries = lived_in.models.ledger("card_fraud").entries("card_fraud")
    assert entries["action"].to_list() == ["promoted", "deployed"]
    assert entries["model_version"].to_list() == ["1", "1"]
    assert entries["release"][-1].startswith("sha256:")


def prediction_log(lived_in: LivedIn) -> pl.DataFrame:
    return lived_in.table(SERVING, PREDICTION_LOG, prediction_log_schema(lived_in.use_case))


def test_every_request_is_in_the_prediction_log_once(lived_in: LivedIn) -> None:
    log = prediction_log(lived_in)
    assert log.height == lived_in.requests_sent
    assert log["request_id"].n_unique() == log.height
    assert log["event_day"].is_between(lived_in.days.live.first, lived_in.days.live.last).all()


def test_the_service_used_the_features_that_training_uses(lived_in: LivedIn) -> None:
    use_case, live = lived_in.use_case, lived_in.days.live
    views = {v.name: lived_in.table(FEATURES, v.name, use_case.feature_schema(v)) for v in use_case.features}
    log = prediction_log(lived_in)
    offline = join_views(log.select("transaction_id").unique(), views, use_case, live.first, live.last)
    result = compare(log, offline, use_case)
    assert result.rows == log.height
    assert result.equal, {f.feature: (f.different, f.examples[:2]) for f in result.features if f.different}


def test_a_second_run_executes_no_job(lived_in: LivedIn) -> None:
    with lived_in.instance() as instance:
        before = instance.get_runs_count()
        assert before > 0
        code, printed = lived_in.run("run", "card_fraud")
        assert code == 0, printed
        assert instance.get_runs_count() == before
    assert "champion" in printed
    assert lived_in.curl.split(" -H")[0] in printed


def test_a_table_of_the_lake_is_scored_as_a_whole(lived_in: LivedIn, tmp_path: Path) -> None:
    wanted = ("card_fraud/training/training_set", "--to", str(tmp_path / "scored"), "--keep", "transaction_id")
    code, printed = lived_in.run("predict", "batch", *wanted, "--use-case", "card_fraud")
    assert code == 0, printed
    scored = pl.read_delta(str(tmp_path / "scored"))
    assert scored["transaction_id"].n_unique() == scored.height > 1_000
    code, printed = lived_in.run("predict", "batch", *wanted, "--use-case", "card_fraud")
    assert code == 0, printed
    assert pl.read_delta(str(tmp_path / "scored")).height == scored.height, "each part is written once"


@pytest.mark.parametrize("platform", ["kserve", "seldon", "triton", "bento"])
def test_the_champion_is_packaged_for_another_platform(platform: str, lived_in: LivedIn, tmp_path: Path) -> None:
    wanted = ("card_fraud", "--platform", platform, "--storage-uri", "s3://models/x", "--output", str(tmp_path / "out"))
    if platform == "seldon":
        code, printed = lived_in.run("package", *wanted)
        assert code == 1, printed
        assert "seldon is refused since 2024-01-22" in " ".join(printed.split())
        wanted = (*wanted, "--licence", "contract 17")
    code, printed = lived_in.run("package", *wanted)
    assert code == 0, printed
    notes = (tmp_path / "out" / "NOTES.md").read_text()
    assert platform == "bento" or re.search(
        r"\w+ scored 200 training rows; the largest difference from the model is", notes
    )
    assert list((tmp_path / "out" / "files").rglob("*.*"))
    manifests = [yaml.safe_load(path.read_text()) for path in (tmp_path / "out").glob("manifests/*.yaml")]
    assert [manifest["metadata"]["name"] for manifest in manifests] == ["card-fraud"] * (
        platform in ("kserve", "seldon")
    )
    code, printed = lived_in.run("package", *wanted)
    assert code != 0
    assert "exists: name a folder that does not" in " ".join(printed.split())


def test_a_killed_service_comes_back_by_itself(lived_in: LivedIn) -> None:
    before = {p.pid for p in lived_in.target.status().use_cases["card_fraud"].processes if p.pid is not None}
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    address, body = lived_in.target.address("card_fraud"), lived_in.request
    deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while True:
        processes = lived_in.target.status().use_cases["card_fraud"].processes
        if all(p.ready and p.pid not in before for p in processes):
            break
        assert time.monotonic() < deadline, processes
        time.sleep(0.5)
    answer = httpx.post(f"{address}/score", json=body, trust_env=False, timeout=20)
    assert answer.status_code == 200, answer.text


def test_status_names_what_runs_and_the_ledger(lived_in: LivedIn) -> None:
    code, printed = lived_in.run("status")
    assert code == 0, printed
    for text in ("answering", "card_fraud", "RUNNING", "promoted", "deployed"):
        assert text in printed


def test_the_page_is_at_the_address_and_says_what_the_state_says(lived_in: LivedIn) -> None:
    code, printed = lived_in.run("status", "card_fraud", "--json")
    (state,) = json.loads(printed)["use_cases"]
    assert code == (state["worst"] == "red")
    found = {one["what"]: one["severity"] for one in state["findings"]}
    assert found["The service answers"] == "ok", found
    assert state["champion"]["version"] == "1"
    assert {series["name"] for series in state["series"]} >= {"drift", "quality", "rows", "p99"}
    lived_in.run("status", "card_fraud", "--html")
    base = lived_in.target.address("card_fraud").removesuffix("/v1/card_fraud")
    page = httpx.get(f"{base}/v1/card_fraud/page", trust_env=False, timeout=20)
    assert page.status_code == 200
    for what in found:
        assert what in html.unescape(page.text), what
    assert "card_fraud/page" in httpx.get(f"{base}/", trust_env=False, timeout=20).text


def test_the_model_that_serves_was_judged(lived_in: LivedIn) -> None:
    with lived_in.instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["card_fraud", MODEL, "evaluation"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["passed"].value is True
