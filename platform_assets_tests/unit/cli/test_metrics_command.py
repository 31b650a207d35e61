"""`platform-assets metrics`: answering a scrape until it is told to stop, and showing the page."""

import os
import signal
import socket
import threading
import urllib.request

import pytest
from typer.testing import CliRunner

from platform_assets.cli import app, metrics
from platform_assets.cli.alerts.observe import exporter_program
from platform_assets.monitoring.telemetry.catalogue import CLOCK
from platform_assets.monitoring.telemetry.exporter import MetricsPart, PlatformCollector, Sample


@pytest.fixture(autouse=True)
def small_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    part = MetricsPart(CLOCK, lambda: [lambda: [Sample("clock_timestamp_seconds", (), 7.0)]])
    monkeypatch.setattr(metrics, "collector", lambda installation: PlatformCollector([part]))


def test_a_scrape_is_answered_until_the_process_is_told_to_stop() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pages: list[str] = []

    def scrape() -> None:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    pages.append(answer.read().decode())
                break
            except OSError:
                threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGTERM)  # reaches the thread that waits for it

    threading.Thread(target=scrape).start()
    result = CliRunner().invoke(app, ["metrics", "serve", "--port", str(port)])
    assert result.exit_code == 0, result.output
    assert "platform_assets_clock_timestamp_seconds 7.0" in pages[0]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


def test_the_page_is_shown_in_part() -> None:
    result = CliRunner().invoke(app, ["metrics", "show", "clock"])
    assert result.output.splitlines()[-1] == "platform_assets_clock_timestamp_seconds 7.0"
    assert "exporter" not in result.output


def test_observing_starts_the_metrics_only_where_nobody_answers_with_them() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert exporter_program(port) == {}
    command = exporter_program(port)["metrics"]
    assert command[1:] == ["-m", "platform_assets.cli", "metrics", "serve", "--port", str(port)]
