"""The page of metrics lists every metric that is registered, and nothing else."""

from pathlib import Path

import pytest

from platform_assets.cli import metrics_reference
from platform_assets.monitoring.telemetry.catalogue import METRICS

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = metrics_reference.TARGET.read_text()
    assert metrics_reference.render_now() == page, "run platform-assets docs"
    assert metrics_reference.BEGIN in page
    for metric in METRICS:
        assert f"| `{metric.full_name}` |" in page
    assert "`platform_assets_decisions_total`" in page
    assert "`platform_assets_stream_scored_total`" in page
    assert "`platform_assets_process_up`" in page
