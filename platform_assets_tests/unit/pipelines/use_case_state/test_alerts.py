"""Open alerts: of which Alertmanager, and what of its answer counts."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from platform_assets.pipelines.use_case_state.alerts import alertmanager_of, open_alerts


def alert(**labels: str) -> dict[str, Any]:
    return {
        "labels": labels,
        "annotations": {"summary": "Slow.", "runbook_url": "runbooks#slow"},
        "startsAt": "2018-09-19T08:00:00.000Z",
    }


ALERTS = [
    alert(alertname="Slow", severity="page", use_case="shop"), alert(alertname="DaemonDead", severity="ticket"),
    alert(alertname="Other", severity="page", use_case="parking"), alert(alertname="Watchdog", severity="watchdog"),
]  # fmt: skip


@pytest.fixture
def address() -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(ALERTS).encode()
            self.send_response(200 if self.path.startswith("/api/v2/alerts?active=true&silenced=false") else 500)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_alerts_of_the_use_case_and_of_the_installation_count(address: str) -> None:
    found = open_alerts("shop", address)
    assert found is not None
    assert [(one.name, one.severity) for one in found] == [("Slow", "page"), ("DaemonDead", "ticket")]
    assert (found[0].since, found[0].summary, found[0].runbook) == (
        datetime(2018, 9, 19, 8, tzinfo=UTC),
        "Slow.",
        "runbooks#slow",
    )


def test_an_alertmanager_that_does_not_answer_is_no_alertmanager_without_alerts(address: str) -> None:
    assert open_alerts("shop", "http://127.0.0.1:1") is None
    assert open_alerts("shop", f"{address}/elsewhere") is None


def test_the_one_that_is_set_counts_then_the_one_that_observe_started(tmp_path: Path) -> None:
    assert alertmanager_of(tmp_path, None) is None
    (tmp_path / "observe").mkdir()
    configured = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9999"]}]}]}}
    (tmp_path / "observe" / "prometheus.yaml").write_text(json.dumps(configured))
    assert alertmanager_of(tmp_path, None) == "http://127.0.0.1:9999"
    assert alertmanager_of(tmp_path, "https://alerts.example/") == "https://alerts.example"
