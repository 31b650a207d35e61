"""Why a Job's pod died, or cannot start: read from the API, told by the diagnosis that services use too.

Belongs here: what is read of pods, events and logs, and engine events about it. Does not belong here: judging what was read
(`deployment/kubernetes/diagnosis.py`), or what follows (`retries.py`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import dagster as dg
from dagster._core.events import DagsterEventType, EngineEventData

from platform_assets.deployment.kubernetes.diagnosis import Cause, diagnose, refused
from platform_assets.orchestration.kubernetes.retries import Consequence

CAUSE, JOB, FOLLOWS = "cause", "Kubernetes Job name", "what follows"
WAITS: Final = "It waits"
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


def report(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    job_name: str,
    cause: Cause,
    then: Consequence | None,
    step_key: str | None = None,
) -> None:
    """Put the cause and what is done about it into the run's event log.

    Args:
        instance: of the run.
        run: the run.
        job_name: the Job whose pod died.
        cause: why.
        then: what is done; None for a pod that waits.
        step_key: of the step that it held; None for the run's own pod.
    """
    subject = "The run's pod" if step_key is None else f"The pod of step {step_key}"
    follows = WAITS if then is None else then.reason
    instance.report_engine_event(
        f"{subject} {'waits' if then is None else 'died'} ({cause.kind}): {cause.sentence} {follows}. {cause.what_to_do}",
        run,
        EngineEventData(
            {
                CAUSE: cause.kind.value,
                JOB: job_name,
                FOLLOWS: follows,
                **({"last lines": dg.MetadataValue.md(f"```\n{cause.log}\n```")} if cause.log else {}),
            }
        ),
        step_key=step_key,
    )


def reported(instance: dg.DagsterInstance, run_id: str, step_key: str | None = None) -> Mapping[str, str]:
    """Causes in a run's event log: of each Job why it died, oldest first.

    Args:
        instance: of the run.
        run_id: the run.
        step_key: the step; None for the run's own pod.
    """
    return {
        str(metadata[JOB].value): str(metadata[CAUSE].value)
        for _, metadata in _causes(instance, run_id, step_key)
        if metadata[FOLLOWS].value != WAITS
    }


def waits_since(
    instance: dg.DagsterInstance, run_id: str, job_name: str, kind: str, step_key: str | None = None
) -> float | None:
    """Since when the event log says that a Job's pod waits for this reason, in seconds of the epoch; None where it does not say so."""
    times = [
        time
        for time, metadata in _causes(instance, run_id, step_key)
        if metadata[JOB].value == job_name and metadata[CAUSE].value == kind and metadata[FOLLOWS].value == WAITS
    ]
    return min(times, default=None)


def _causes(
    instance: dg.DagsterInstance, run_id: str, step_key: str | None
) -> Iterator[tuple[float, Mapping[str, dg.MetadataValue]]]:
    """Causes in a run's event log with their times."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event is not None and event.step_key == step_key and CAUSE in event.engine_event_data.metadata:
            yield entry.timestamp, event.engine_event_data.metadata


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
