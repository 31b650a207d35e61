"""What `deploy/observability/` ships, tried on a real Prometheus: every expression of every dashboard answers with a series."""

import importlib.util
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from platform_assets.deployment.local.doors.exposition import Exposed, merged
from platform_assets.monitoring.telemetry.catalogue import METRICS, PARTS, PlatformMetric
from platform_assets.monitoring.telemetry.exporter import MetricsPart, PlatformCollector, Sample, page
from platform_assets.testing.declare import declare
from platform_assets.testing.servers import free_port
from serving.metrics import ServiceMetrics

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
VALUES = {"use_case": "shop", "status": "drift", "kind": "true", "part": "lake"}
KINDS = ("true", "low", "high", "bound", "estimated", "estimated_low", "estimated_high")


def needed(name: str, package: str) -> str:
    """A program of Debian's; the test is skipped without it, and fails in CI."""
    path = shutil.which(name)
    if path is None:
        missing = f"{name} is not installed: apt-get install {package}"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return path


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((OBSERVABILITY / "dashboards").glob("*.json"))}


def expressions(board: dict[str, Any]) -> list[str]:
    """What a dashboard asks, for the use case `shop`."""
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    panels += [inner for row in board["panels"] for inner in row.get("panels", ())]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    return [text.replace("$use_case", "shop").replace("$__rate_interval", "1m") for text in asked]


def samples_of(metric: PlatformMetric) -> list[Sample]:
    """A value of the metric; of quality one of each kind."""
    kinds = KINDS if "kind" in metric.labels else ("",)
    labels = [tuple(kind if name == "kind" else VALUES.get(name, "some") for name in metric.labels) for kind in kinds]
    return [Sample(metric.name, values, 1.0) for values in labels]


def platform_page() -> Callable[[], str]:
    parts = [
        MetricsPart(part, lambda part=part: [lambda: [s for m in METRICS if m.part == part for s in samples_of(m)]])
        for part in PARTS
    ]
    collector = PlatformCollector(parts)
    return lambda: page(collector)


def service_page() -> Callable[[], str]:
    columns = {"visit": "int64", "at": "datetime", "speed": "float64"}
    registry = CollectorRegistry()
    use_case = declare(name="shop", events=columns, label="unpaid", features=["speed"])
    metrics = ServiceMetrics(use_case, "sha256:0", "1", registry)

    def answer() -> str:
        metrics.latency.observe(0.004)
        text = generate_latest(registry).decode()
        return merged([Exposed({"use_case": "shop", "arm": "shop-1", "process": "shop-1-0"}, text)])

    return answer


@contextmanager
def answering(pages: dict[str, Callable[[], str]]) -> Iterator[int]:
    """A server of pages on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages[self.path]().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **query: str) -> Any:
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def series(self, expression: str) -> int:
        """How many series an expression answers with."""
        return len(self.ask("query", query=expression)["result"])

    def wait(self, seen: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if seen():
                    return
            except OSError:
                pass  # it is starting
            time.sleep(0.25)
        raise TimeoutError("Prometheus did not come so far")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the scrape configuration and recording rules that are shipped, faster, on pages with something of everything."""
    program, folder, port = needed("prometheus", "prometheus"), tmp_path_factory.mktemp("prometheus"), free_port()
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yaml").read_text())
    rules = yaml.safe_load((OBSERVABILITY / "recording_rules.yaml").read_text())
    rules["groups"][0]["interval"] = "1s"
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del config["alerting"]
    with answering({"/metrics": platform_page(), "/v1/card_fraud/metrics": service_page()}) as pages:
        for job in config["scrape_configs"]:
            job["scrape_timeout"] = "1s"
            job["static_configs"][0]["targets"] = [f"127.0.0.1:{pages}"]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        (folder / "recording_rules.yaml").write_text(yaml.safe_dump(rules))
        command = [
            program,
            "--config.file=prometheus.yaml",
            f"--web.listen-address=127.0.0.1:{port}",
            "--storage.tsdb.path=data",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            running = Prometheus(f"http://127.0.0.1:{port}")
            running.wait(lambda: running.series("use_case:platform_assets_prediction_seconds:p99_5m") == 1)
            yield running
        finally:
            process.terminate()
            process.wait(20)


def test_every_expression_of_every_dashboard_answers_with_a_series(prometheus: Prometheus) -> None:
    boards = dashboards()
    assert set(boards) == {"overview", "use_case", "serving", "data", "models", "runs"}
    asked = [(name, text) for name, board in boards.items() for text in expressions(board)]
    assert len(asked) > 40
    assert [(name, text) for name, text in asked if prometheus.series(text) == 0] == []
    assert prometheus.series("platform_assets_nothing_of_that_name") == 0
    assert prometheus.ask("label/use_case/values", **{"match[]": "platform_assets_due_days_behind"}) == ["shop"]


def test_both_pages_are_scraped_without_a_label_that_takes_the_place_of_ours(prometheus: Prometheus) -> None:
    targets = prometheus.ask("targets")["activeTargets"]
    assert [(target["labels"]["job"], target["health"]) for target in targets] == [
        ("platform-assets", "up"),
        ("platform-assets-services", "up"),
    ]
    assert prometheus.series('platform_assets_failed_runs{job="some"}') == 1
    assert prometheus.series("{__name__=~'.+', exported_job!=''}") == 0


def test_every_recording_rule_answers(prometheus: Prometheus) -> None:
    rules = yaml.safe_load((OBSERVABILITY / "recording_rules.yaml").read_text())["groups"][0]["rules"]
    assert [rule["record"] for rule in rules if prometheus.series(rule["record"]) != 1] == []


def test_recording_rules_say_what_their_names_say(tmp_path: Path) -> None:
    promtool = needed("promtool", "prometheus")
    case = {
        "rule_files": [str(OBSERVABILITY / "recording_rules.yaml")],
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    {
                        "series": 'platform_assets_prediction_seconds_count{use_case="shop",process="a"}',
                        "values": "0+30x40",
                    },
                    {
                        "series": 'platform_assets_prediction_seconds_count{use_case="shop",process="b"}',
                        "values": "0+15x40",
                    },
                    {"series": "platform_assets_clock_timestamp_seconds", "values": "1000x40"},
                    {
                        "series": 'platform_assets_newest_event_timestamp_seconds{use_case="shop",source="a"}',
                        "values": "400x40",
                    },
                    {
                        "series": 'platform_assets_newest_event_timestamp_seconds{use_case="shop",source="b"}',
                        "values": "900x40",
                    },
                ],
                "promql_expr_test": [
                    {
                        "expr": "use_case:platform_assets_requests:rate5m",
                        "eval_time": "8m",
                        "exp_samples": [
                            {"labels": 'use_case:platform_assets_requests:rate5m{use_case="shop"}', "value": 3}
                        ],
                    },
                    {
                        "expr": "use_case:platform_assets_newest_event_age_seconds:min",
                        "eval_time": "8m",
                        "exp_samples": [
                            {
                                "labels": 'use_case:platform_assets_newest_event_age_seconds:min{use_case="shop"}',
                                "value": 100,
                            }
                        ],
                    },
                ],
            }
        ],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(case))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_are_what_the_code_makes() -> None:
    if importlib.util.find_spec("grafana_foundation_sdk") is None:
        missing = "grafana-foundation-sdk is not installed: `make setup` installs the group `dev`"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    spec = importlib.util.spec_from_file_location("dashboards", OBSERVABILITY / "dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = {path.stem: path.read_text() for path in (OBSERVABILITY / "dashboards").glob("*.json")}
    assert module.render_all() == written, "run python deploy/observability/dashboards.py"


def test_the_collector_scrapes_what_prometheus_scrapes() -> None:
    collector = yaml.safe_load((OBSERVABILITY / "otel-collector.yaml").read_text())
    ours = yaml.safe_load((OBSERVABILITY / "prometheus.yaml").read_text())["scrape_configs"]
    theirs = collector["receivers"]["prometheus"]["config"]["scrape_configs"]
    fields = ("job_name", "honor_labels", "static_configs")
    assert [{name: job[name] for name in fields} for job in ours] == [
        {name: job[name] for name in fields} for job in theirs
    ]
    for pipeline in collector["service"]["pipelines"].values():
        for role in ("receivers", "processors", "exporters"):
            assert set(pipeline[role]) <= set(collector[role])
