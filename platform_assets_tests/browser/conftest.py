"""A small world after its run, Dagster's web UI on it, and a browser that goes through its pages once.

`UI_HOME=folder` takes a home that `platform-assets run card_fraud` was called on, instead of making one; `PICTURES=folder` keeps the
pictures that the guide shows. Belongs here: starting and stopping. Does not belong here: what must be on a page (`pages.py`).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import dagster as dg
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.testing.servers import free_port
from platform_assets_tests.browser.pages import USE_CASE, UiPage, narrow_pages, pages

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / os.environ.get("SITE_TOOLS", ".venv-site")
SMALL_WORLD = '{"customers": 1000, "terminals": 2000}'
MOST_SECONDS = 420
MOST_COLOURS = 128
MOST_PICTURE_BYTES = 200_000


@dataclass(frozen=True)
class Walk:
    """What the browser saw.

    Attributes:
        pages: that it opened.
        seen: counts, images and complaints of each by its name.
        kept: folder of the pictures, where they are kept.
    """

    pages: Mapping[str, UiPage]
    seen: Mapping[str, Any]
    kept: Path | None


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings of a small world that was run."""
    given = os.environ.get("UI_HOME")
    home = Path(given).resolve() if given else tmp_path_factory.mktemp("shown")
    settings = {
        "DAGSTER_HOME": str(ROOT),
        "PLATFORM_ASSETS_HOME": str(home),
        "PLATFORM_ASSETS_DAGSTER": str(home / "dagster"),
        "PLATFORM_ASSETS_SIMULATION": SMALL_WORLD,
        "PLATFORM_ASSETS_REPLAYED_REQUESTS": "1500",
        "PLATFORM_ASSETS_AUTOMATION": "off",
        **({} if given else {"PLATFORM_ASSETS_PORT": str(free_port())}),
    }
    if not given:
        (home / "dagster").mkdir()
        platform_assets(settings, "run", USE_CASE)
    try:
        yield settings
    finally:
        if not given:
            platform_assets(settings, "stop")


def platform_assets(settings: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "platform_assets.cli", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="session")
def web_ui(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a web UI on that world."""
    port, log = free_port(), tmp_path_factory.mktemp("web_ui") / "log"
    address = f"http://127.0.0.1:{port}"
    command = [
        str(Path(sys.executable).with_name("dagster-webserver")),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-w",
        "workspace.yaml",
    ]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        ) as server,
    ):
        try:
            until = time.monotonic() + MOST_SECONDS
            while not answers(address):
                assert server.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < until, log.read_text()[-2000:]
                time.sleep(0.5)
            yield address
        finally:
            server.terminate()


def answers(address: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"{address}/server_info", timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def use_case() -> UseCase:
    return load_use_case(ROOT / "platform_assets" / "defs" / USE_CASE)


@pytest.fixture(scope="session")
def walk(web_ui: str, environment: dict[str, str], use_case: UseCase, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """All pages, opened one after the other."""
    if not (TOOLS / "bin" / "python").exists():
        reason = f"{TOOLS.name} is missing: run deploy/ci/install-site-tools.sh (`make ui-test` does)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("walk")
    of_ui, of_ours = pages(**known(environment, use_case)), narrow_pages(**written(environment))
    asked = {page.name: page for page in (*of_ui, *of_ours)}
    plan = {
        "base": web_ui,
        "folder": environment["PLATFORM_ASSETS_HOME"],
        "pictures": str(folder),
        "pages": [page.plan for page in asked.values()],
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    command = [str(TOOLS / "bin" / "python"), str(Path(__file__).with_name("walk.py")), "plan.json", "seen.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads((folder / "seen.json").read_text(encoding="utf-8"))
    kept = Path(os.environ["PICTURES"]) if os.environ.get("PICTURES") else None
    for name, page in asked.items():
        if kept is not None and page.is_shown:
            with_few_colours(Path(seen[name]["picture"]), ROOT / kept / f"{name}.png")
    return Walk(asked, seen, ROOT / kept if kept is not None else None)


def known(environment: Mapping[str, str], use_case: UseCase) -> dict[str, Any]:
    """What Dagster remembers of the world, which the pages have to show."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        instance = dg.DagsterInstance.get()
        made = {
            table: instance.get_materialized_partitions(dg.AssetKey([USE_CASE, *table]))
            for table in (("monitoring", "drift"), ("model", "classifier"))
        }
        runs = instance.get_runs()
    view = next(view for view in use_case.features if view.table == "customer_activity")
    return {
        "day": max(made["monitoring", "drift"]),
        "as_of": max(made["model", "classifier"]),
        "checks": len(gate_names(use_case.gates, use_case.task)),
        "jobs": len({run.job_name for run in runs if run.job_name.startswith(f"{USE_CASE}__")}),
        "runs": len(runs),
        "columns": len(use_case.feature_schema(view)),
    }


def written(environment: Mapping[str, str]) -> dict[str, str]:
    """Addresses of the pages that the run wrote, the newest of each kind."""
    home = Path(environment["PLATFORM_ASSETS_HOME"])

    def newest(kind: str) -> Path:
        return max((home / "reports" / USE_CASE).glob(f"{kind}-*.html"), key=lambda path: path.stat().st_mtime)

    found = {
        "card": newest("model-card"),
        "drift": newest("drift"),
        "use_case": home / "pages" / f"{USE_CASE}.html",
        "index": home / "pages" / "index.html",
    }
    return {name: path.as_uri() for name, path in found.items()}


def with_few_colours(taken: Path, kept: Path) -> None:
    from PIL import Image

    kept.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(taken) as image:
        image.convert("RGB").quantize(MOST_COLOURS).save(kept, optimize=True)
