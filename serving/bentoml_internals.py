"""What BentoML offers under private names only, each with the reason why it is needed.

Belongs here: every import of `bentoml._internal`. Does not belong here: what a public name of BentoML does.

`platform_assets_tests/unit/serving/test_bentoml_internals.py` fails as soon as one of the reasons is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def log_like_a_server() -> None:
    """BentoML's log format for servers on standard output. Only `bentoml serve` sets it up, through no public function."""
    from bentoml._internal.log import configure_server_logging

    configure_server_logging()


def keep_metrics_in_this_process(page: Callable[[], bytes] | None = None) -> None:
    """Metrics of this process alone. BentoML shares them through files in its home, which two services delete from each other; no setting
    ends that.

    Args:
        page: answers `/metrics` in place of BentoML's own page.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    client = PrometheusClient(multiproc=False)
    if page is not None:
        client.generate_latest = page
    BentoMLContainer.metrics_client.set(client)


def path_item(operations: dict[str, Any]) -> Any:
    """An entry of BentoML's OpenAPI page. BentoML documents its own routes and FastAPI's, not those of another mounted application.

    Args:
        operations: OpenAPI operations by HTTP method.
    """
    from bentoml._internal.service.openapi.specification import PathItem
    from bentoml._internal.utils.cattr import bentoml_cattr

    return bentoml_cattr.structure(operations, PathItem)
