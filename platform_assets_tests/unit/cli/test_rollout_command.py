"""What `platform-assets rollout status` tells of a rollout that waits, and of one that is over."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from platform_assets.cli.console import console
from platform_assets.cli.rollout import show_rollout
from platform_assets.deployment.rollout.events import Abort, HoldRollout
from platform_assets.pipelines.advance_rollout import decide
from platform_assets_tests.unit.pipelines.rollout_world import NEW, OLD, RolloutWorld


def told(world: RolloutWorld) -> str:
    installation: Any = SimpleNamespace(models=world.models, serving=world.serving)
    with console.capture() as capture:
        show_rollout(installation, world.case)
    return capture.get()


def test_status_tells_stage_weights_findings_and_what_comes_next(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    text = told(world)
    assert f"{NEW} beside {OLD}, stage 1 of 3: observing" in text
    assert "20 % of the requests" in text
    for guard in ("error_ratio", "latency_p99", "score", "decision stop"):
        assert guard in text
    assert "verdict: cannot tell" in text
    assert "next: held: undecided after 60 minutes" in text, "the stage began long ago"
    stamp = datetime.now(UTC).isoformat()
    decide(world.case, world.models, world.serving, "r", HoldRollout("a holiday", "ops", stamp))
    assert "next: held: held by ops: a holiday" in told(world)
    decide(world.case, world.models, world.serving, "r", Abort("enough", "ops", stamp))
    over = told(world)
    assert "nothing is rolled out" in over
    assert "aborted" in over


def test_without_a_rollout_it_says_so(tmp_path: Path) -> None:
    world = RolloutWorld(tmp_path)
    world.target.state = None
    assert told(world).strip() == f"{world.name}: nothing is rolled out"


def test_the_page_shows_reasons_as_text_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    from dataclasses import asdict

    from platform_assets.monitoring.rollout_page import rollout_page
    from platform_assets.pipelines.rollout_history import read_history, remember

    world = RolloutWorld(tmp_path)
    decide(world.case, world.models, world.serving, "r", HoldRollout("<b>bold</b>", "ops", "t"))
    path = world.serving.rollout_history(world.name)
    with path.open("a") as file:
        file.write('{"torn": ')
    looks = read_history(path)
    remember(path, looks[0])
    looks = read_history(path)
    assert [look.outcome for look in looks] == ["about to decide", "held", "about to decide"]
    page = rollout_page(world.name, [asdict(look) for look in looks])
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold</b>" not in page
