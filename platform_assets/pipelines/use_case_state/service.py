"""How the service answers now: what the target runs, and one scrape of its metrics.

Belongs here: reading Prometheus' text of the use case's own page. Does not belong here: figures of past days (`series.py`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from platform_assets.declaration import UseCase
from platform_assets.deployment.own_requests import own_client
from platform_assets.deployment.release import TargetStatus
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.monitoring.use_case_page.state import ServiceState

SCRAPE_SECONDS = 3.0
LATENCY = "platform_assets_prediction_seconds"
REQUESTS, FAILED = "platform_assets_requests_total", "failed"
"""Requests by outcome; those that failed were not scored for reasons that lie with the service."""
_SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, Mapping[str, str], float]


def service_now(use_case: UseCase, serving: ServingHome, status: TargetStatus | None = None) -> ServiceState:
    """What answers at the address, and how, since its processes started."""
    status = serving.target().status() if status is None else status
    deployed = status.use_cases.get(use_case.name)
    if deployed is None or deployed.version is None:
        address = f"{status.address}/v1/{use_case.name}" if deployed is None else deployed.address
        return ServiceState(address=address, version=None, problems=status.problems)
    serving_now = [process for process in deployed.processes if deployed.weights.get(process.version)]
    text = _scraped(deployed.address, status.own_socket)
    return ServiceState(
        address=deployed.address,
        version=deployed.version,
        weights_percent={name: weight for name, weight in deployed.weights.items() if weight},
        ready=sum(process.ready for process in serving_now),
        processes=len(serving_now),
        problems=status.problems,
        **({} if text is None else _figures(text, use_case.name)),
    )


def _scraped(address: str, socket: str | None) -> str | None:
    import httpx

    try:
        with own_client(address, socket, SCRAPE_SECONDS) as client:
            answer = client.get("/metrics")
    except httpx.HTTPError:
        return None
    return answer.text if answer.status_code == httpx.codes.OK and LATENCY in answer.text else None


def scraped_samples(address: str, socket: str | None) -> list[Sample]:
    """What the service at an address says of itself now; empty where it does not answer."""
    text = _scraped(address, socket)
    return [] if text is None else list(samples(text))


def _figures(text: str, use_case: str) -> dict[str, object]:
    counted, buckets = 0.0, defaultdict[float, float](float)
    errors, answers = 0.0, defaultdict[str, float](float)
    for name, labels, value in samples(text):
        if labels.get("use_case") not in (None, use_case):
            continue
        if name == f"{LATENCY}_count":
            counted += value
        elif name == f"{LATENCY}_bucket":
            buckets[float(labels["le"])] += value
        elif name == REQUESTS and labels.get("outcome") == FAILED:
            errors += value
        elif name == "platform_assets_release_info" and value:
            answers[labels.get("model_version", "")] += value
    return {
        "requests": int(counted),
        "errors": int(errors),
        "p50_ms": _quantile_ms(buckets, 0.5),
        "p99_ms": _quantile_ms(buckets, 0.99),
        "model_version": next(iter(answers)) if len(answers) == 1 else None,
    }


def samples(text: str) -> Iterator[Sample]:
    """Name, labels and value of each line of Prometheus' text format that holds a number."""
    for line in text.splitlines():
        if line.startswith("#") or not (found := _SAMPLE.match(line)):
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        yield found[1], dict(_LABEL.findall(found[2] or "")), value


def _quantile_ms(buckets: Mapping[float, float], quantile: float) -> float | None:
    """Linear within the bucket, as Prometheus' `histogram_quantile`; beyond the last bound that one; None without answers."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return None
    lower = below = 0.0
    for bound in bounds:
        if buckets[bound] >= quantile * total:
            if bound == float("inf"):
                return 1000 * lower
            inside = buckets[bound] - below
            return 1000 * (lower + (bound - lower) * (quantile * total - below) / inside)
        lower, below = bound, buckets[bound]
    return 1000 * lower
