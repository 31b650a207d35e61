"""Why a Job's pod died, or cannot start: read from the API, told by the diagnosis that services use too.

Belongs here: what is read of pods, events and logs. Does not belong here: judging what was read (`deployment/kubernetes/diagnosis.py`),
telling it (`orchestration/run_deaths.py`), or what follows (`orchestration/retries.py`).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from platform_assets.deployment.kubernetes.diagnosis import Cause, diagnose, refused

_LOG_LINES: Final = 20
_CREATED = re.compile(r"Created pod: (\S+)")


def death(client: Any, namespace: str, job_name: str) -> Cause | None:
    """Why the pod of a Job died or cannot start; None where nothing is wrong with it, or nothing can be seen.

    Args:
        client: dagster-k8s's client, with `core_api` and `batch_api`.
        namespace: of the Job.
        job_name: its name.
    """
    events = _events(client, namespace, job_name)
    pods = _plain(client.core_api.list_namespaced_pod, namespace, label_selector=f"job-name={job_name}")
    names = {pod["metadata"]["name"] for pod in pods}
    for event in list(events):
        made = _CREATED.search(event.get("message") or "")
        if made:
            names.add(made.group(1))
    for name in sorted(names):
        events += _events(client, namespace, name)
    cause = diagnose(pods, events, owners=_job(client, namespace, job_name), nodes=_nodes(client, pods))
    dead = [pod for pod in pods if cause is not None and pod["metadata"]["name"] == cause.pod]
    return replace(cause, log_lines=_log(client, namespace, dead[0])) if cause is not None and dead else cause


def _events(client: Any, namespace: str, name: str) -> list[dict[str, Any]]:
    return _plain(client.core_api.list_namespaced_event, namespace, field_selector=f"involvedObject.name={name}")


def _plain(listing: Callable[..., Any], *of: str, **selector: str) -> list[dict[str, Any]]:
    """What a list call of the client answers, as the API wrote it."""
    answer = listing(*of, **selector, _preload_content=False)
    items: list[dict[str, Any]] = json.loads(answer.data)["items"] or []
    return items


def _job(client: Any, namespace: str, name: str) -> list[dict[str, Any]]:
    return _plain(client.batch_api.list_namespaced_job, namespace, field_selector=f"metadata.name={name}")


def _nodes(client: Any, pods: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The nodes of pods that run; none where nodes may not be read: then a lost one is known when its pods are taken away."""
    from kubernetes.client.exceptions import ApiException

    names = {
        pod["spec"]["nodeName"]
        for pod in pods
        if pod.get("status", {}).get("phase") == "Running" and pod["spec"].get("nodeName")
    }
    try:
        return [
            node
            for name in sorted(names)
            for node in _plain(client.core_api.list_node, field_selector=f"metadata.name={name}")
        ]
    except ApiException:
        return []


def _log(client: Any, namespace: str, pod: Mapping[str, Any]) -> tuple[str, ...]:
    """The last lines of a pod; none where there are none to be had."""
    from kubernetes.client.exceptions import ApiException

    if pod.get("status", {}).get("phase") in (None, "Pending"):
        return ()
    try:
        text = client.core_api.read_namespaced_pod_log(pod["metadata"]["name"], namespace, tail_lines=_LOG_LINES)
    except ApiException:
        return ()
    return tuple(str(text).splitlines())


def refusal(error: BaseException) -> Cause | None:
    """The cause in an error of the API that refused a Job; None for any other error."""
    from kubernetes.client.exceptions import ApiException

    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ApiException):
        seen = getattr(seen, "k8s_api_exception", None) or seen.__cause__
    return None if seen is None else refused(seen.status, str(seen.body or seen.reason))
