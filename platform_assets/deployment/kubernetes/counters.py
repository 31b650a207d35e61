"""What the gateway counted of the arms of a rollout, in blocks from look to look, kept in a ConfigMap.

Belongs here: reading the counts of Envoy's Prometheus text, the blocks made of their differences, and where they are kept. Does not belong
here: deciding anything by them (`experiments/`).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from platform_assets.deployment.errors import TargetUnavailable
from platform_assets.deployment.kubernetes.api_errors import StaleObject
from platform_assets.deployment.kubernetes.client import ClusterClient
from platform_assets.deployment.kubernetes.kinds import CONFIG_MAP
from platform_assets.deployment.kubernetes.naming import COMPONENT_LABEL, FIELD_MANAGER, PART_OF, dns_label
from platform_assets.deployment.rollout.engine import now
from platform_assets.deployment.rollout.view import CounterBlock

logger = logging.getLogger(__name__)

KEY = "counters.json"
MOST_BLOCKS = 4000
"""A ConfigMap holds a megabyte; past this many, neighbouring blocks are added up."""
ANSWER_SECONDS = 5.0
_SAMPLE = re.compile(r"^(\w+)\{([^}]*)\}\s+([0-9.eE+-]+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Totals = dict[str, tuple[int, int]]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    new_arm: str
    totals: Totals = {}
    blocks: tuple[CounterBlock, ...] = ()


class GatewayCounters:
    """The counters of one namespace."""

    def __init__(self, client: ClusterClient, read: Callable[[], str] | None) -> None:
        """Describe them; nothing is asked.

        Args:
            client: of the namespace.
            read: gives the gateway's Prometheus text; None where no setting says where that is.
        """
        self._client, self._read = client, read

    def begin(self, use_case: str, new: str, arms: Sequence[str]) -> None:
        """Count from here on, unless this rollout is counted already.

        Raises:
            TargetUnavailable: the gateway or the API does not answer.
        """
        if self._read is not None and self._kept(use_case)[0].new_arm != new:
            self._put(use_case, _Kept(new_arm=new, totals=totals_of(self._read(), arms)))

    def look(self, use_case: str, new: str, arms: Sequence[str]) -> tuple[CounterBlock, ...]:
        """Every block of a rollout, the one that ends now among them, oldest first.

        Raises:
            TargetUnavailable: the gateway or the API does not answer.
        """
        if self._read is None:
            return ()
        kept, stored = self._kept(use_case)
        before = kept if kept.new_arm == new else _Kept(new_arm=new)
        totals = totals_of(self._read(), arms)
        if not before.totals:  # counted from here on: what came before nobody can tell from earlier rollouts
            after = before.model_copy(update={"totals": totals})
        else:
            blocks = thinned([*before.blocks, *differences(before.totals, totals, now())])
            after = before.model_copy(update={"totals": totals, "blocks": tuple(blocks)})
        if after != kept:
            self._put(use_case, after, stored)
        return after.blocks

    def forget(self, use_case: str) -> None:
        """Delete what was counted.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        self._client.delete(CONFIG_MAP, counters_name(use_case))

    def _kept(self, use_case: str) -> tuple[_Kept, dict[str, Any] | None]:
        stored = self._client.read(CONFIG_MAP, counters_name(use_case))
        try:
            return _Kept.model_validate_json((stored or {}).get("data", {}).get(KEY, "")), stored
        except ValidationError:  # none yet, or damaged: only what was counted is lost
            return _Kept(new_arm=""), stored

    def _put(self, use_case: str, kept: _Kept, stored: Mapping[str, Any] | None = None) -> None:
        text = json.dumps(kept.model_dump(mode="json"), separators=(",", ":"))
        labels = {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/managed-by": FIELD_MANAGER}
        metadata: dict[str, Any] = {"name": counters_name(use_case), "namespace": self._client.namespace}
        metadata["labels"] = labels | {COMPONENT_LABEL: "target"}
        body = {"apiVersion": CONFIG_MAP.version, "kind": CONFIG_MAP.name, "metadata": metadata, "data": {KEY: text}}
        stored = stored or self._client.read(CONFIG_MAP, counters_name(use_case))
        try:
            if stored is None:
                self._client.create(body)
            else:
                metadata["resourceVersion"] = stored["metadata"]["resourceVersion"]
                self._client.replace(body)
        except StaleObject:  # somebody looked at the same time, and kept the block
            logger.debug("the counters of %s were kept by another look", use_case)


def counters_name(use_case: str) -> str:
    """Name of the ConfigMap."""
    return dns_label("platform-assets-counters", use_case)


def totals_of(text: str, arms: Collection[str]) -> Totals:
    """Requests and errors of each arm since the gateway was started, over all its Envoys.

    Args:
        text: Envoy's Prometheus text; a cluster's name holds the arm's between characters that no name has.
        arms: names of arms.
    """
    found: Totals = dict.fromkeys(arms, (0, 0))
    for name, labels, value in _SAMPLE.findall(text):
        given = dict(_LABEL.findall(labels))
        cluster = given.get("envoy_cluster_name", "")
        arm = next((arm for arm in arms if re.search(rf"(?:^|[^\w-]){re.escape(arm)}(?:[^\w-]|$)", cluster)), None)
        if arm is None:
            continue
        requests, errors = found[arm]
        if name == "envoy_cluster_upstream_rq_completed":
            requests += int(float(value))
        elif name == "envoy_cluster_upstream_rq_xx" and given.get("envoy_response_code_class") == "5":
            errors += int(float(value))
        found[arm] = requests, errors
    return found


def differences(before: Totals, after: Totals, at: str) -> list[CounterBlock]:
    """A block for each arm with requests; counts that shrank are those of a gateway that was started again."""
    blocks = []
    for arm, (requests, errors) in after.items():
        earlier = before.get(arm, (0, 0))
        earlier = (0, 0) if requests < earlier[0] or errors < earlier[1] else earlier
        if requests > earlier[0]:
            blocks.append(CounterBlock(at, arm, requests - earlier[0], errors - earlier[1]))
    return blocks


def thinned(blocks: Sequence[CounterBlock]) -> list[CounterBlock]:
    """The same counts in at most so many blocks as can be kept: the older half with two neighbours of an arm added up."""
    if len(blocks) <= MOST_BLOCKS:
        return list(blocks)
    half, open_blocks, merged = len(blocks) // 2, dict[str, CounterBlock](), list[CounterBlock]()
    for block in blocks[:half]:
        earlier = open_blocks.pop(block.arm, None)
        if earlier is None:
            open_blocks[block.arm] = block
        else:
            merged.append(
                CounterBlock(block.at, block.arm, earlier.requests + block.requests, earlier.errors + block.errors)
            )
    return sorted([*merged, *open_blocks.values()], key=lambda block: block.at) + list(blocks[half:])


def prometheus_text(url: str) -> str:
    """The gateway's counts.

    Raises:
        TargetUnavailable: it does not answer.
    """
    import httpx

    try:
        with httpx.Client(trust_env=False, timeout=ANSWER_SECONDS) as client:
            return client.get(url).raise_for_status().text
    except httpx.HTTPError as error:
        raise TargetUnavailable(f"the gateway's counts at {url} (gateway_metrics) cannot be read: {error}") from error
