"""Record what pods of a cluster used, as a program that watches it says.

Belongs here: reading the answer, and storing what is new of it. Does not belong here: understanding it (`monitoring/cost/cluster/`).
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.deployment.kubernetes.naming import label_value
from platform_assets.lake.catalog import Catalog
from platform_assets.monitoring.cost.cluster.base import ClusterAnswerUnusable, ClusterRows, cluster_rows
from platform_assets.monitoring.cost.cluster.registry import CLUSTER_SOURCES
from platform_assets.monitoring.cost.usage import usage_frame
from platform_assets.pipelines.show_cost import read_usage

LOOK_BACK = timedelta(days=31)
"""Before an answer for which records are read, so that no moment of a pod is counted twice."""
ANSWER_SECONDS = 30.0
STANDARD_INPUT = "-"


def read_answer(where: str) -> Any:
    """An answer as JSON.

    Args:
        where: an address that is asked, a file, or `-` for standard input.

    Raises:
        ClusterAnswerUnusable: it cannot be had, or is no JSON.
    """
    try:
        return json.loads(_text(where))
    except OSError as error:
        raise ClusterAnswerUnusable(f"{where} cannot be read: {error}") from error
    except ValueError as error:
        raise ClusterAnswerUnusable(f"{where} is no JSON: {error}") from error


def _text(where: str) -> str:
    if where == STANDARD_INPUT:
        return sys.stdin.read()
    if not where.startswith(("http://", "https://")):
        return Path(where).read_text(encoding="utf-8")
    import httpx

    try:
        answer = httpx.get(where, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ClusterAnswerUnusable(f"{where} does not answer: {error}") from error
    return answer.text


def record_cluster_usage(catalog: Catalog, source: str, answer: Any) -> ClusterRows:
    """Add what an answer says of a use case's pods and is not recorded yet.

    Runs that measured themselves are recorded by themselves; their pods are left out.

    Args:
        catalog: the tables.
        source: name of the program that answered.
        answer: parsed JSON.

    Raises:
        UnknownMember: there is no such source.
        ClusterAnswerUnusable: it is no answer of that source, or has no pod of the use case.
        LakeError: the table cannot be read or written.
    """
    pods, name = CLUSTER_SOURCES[source].read(answer), catalog.use_case.name
    oldest = min((pod.first for pod in pods), default=None)
    kept = usage_frame([]) if oldest is None else read_usage(catalog, oldest - LOOK_BACK)
    recorded = kept.drop_nulls("process").group_by("process").agg(pl.col("at").max())
    newest: dict[str, datetime] = dict(recorded.iter_rows())
    measured = kept.filter(pl.col("run_id").is_not_null() & pl.col("process").is_null())
    found = cluster_rows(name, label_value(name), pods, newest, measured["run_id"].unique().to_list())
    if not found.pods:
        raise ClusterAnswerUnusable(
            f"none of {len(pods)} pods is of {name}: their labels name it as `platform-assets/use-case`, or as job of Dagster; does the "
            "source keep labels, and is it asked of the right namespace?"
        )
    if found.rows:
        catalog.usage.append(usage_frame(found.rows))
    return found
