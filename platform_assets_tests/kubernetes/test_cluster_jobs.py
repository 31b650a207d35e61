"""The test cluster runs Jobs, and tells why a pod died as a real one does.

Belongs here: Jobs, causes of death, priorities, quotas, lost nodes. Does not belong here: services (`test_cluster_serving.py`).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from platform_assets_tests.kubernetes.cluster.handle import ClusterHandle, test_cluster
from platform_assets_tests.kubernetes.objects_for_tests import IMAGES, Room, deployment, job, until

pytestmark = pytest.mark.kubernetes

NODES: list[Any] = [
    {"name": "plain", "capacity": {"cpu": "4", "memory": "8Gi"}},
    {
        "name": "gpu",
        "capacity": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"},
        "labels": {"node-class": "gpu"},
        "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
    },
    {
        "name": "spot",
        "capacity": {"cpu": "4", "memory": "8Gi"},
        "labels": {"node-class": "spot"},
        "taints": [{"key": "spot", "value": "true", "effect": "NoSchedule"}],
    },
]
SLEEP = "import time; time.sleep(600)"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHandle]:
    folder = tmp_path_factory.mktemp("jobs")
    with test_cluster(folder, images=IMAGES, nodes=NODES, toleration_seconds=1) as one:
        yield one


@pytest.fixture(scope="module")
def room(cluster: ClusterHandle) -> Room:
    for name, value in (("low", -10), ("high", 1000)):
        body = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
        }
        cluster.post("/apis/scheduling.k8s.io/v1/priorityclasses", body)
    return Room(cluster, "runs")


def pods_of(room: Room, name: str) -> list[dict[str, Any]]:
    return room.pods(f"job-name={name}")


def verdict(room: Room, name: str) -> tuple[str, str, str]:
    """Type, reason and message of the condition that ends a Job."""

    def look() -> tuple[str, str, str] | None:
        for one in room.read("jobs", name)["status"].get("conditions", []):
            if one["type"] in ("Complete", "Failed") and one["status"] == "True":
                return one["type"], one["reason"], one["message"]
        return None

    return until(look)


def ended(room: Room, name: str) -> dict[str, Any]:
    """How the container of a Job's only pod ended."""
    (pod,) = pods_of(room, name)
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return found


def running(room: Room, name: str) -> str:
    """Name of a Job's pod, once it runs."""
    return until(
        lambda: next((p["metadata"]["name"] for p in pods_of(room, name) if p["status"]["phase"] == "Running"), "")
    )


def disruption(pod: dict[str, Any]) -> str:
    return next((one["reason"] for one in pod["status"]["conditions"] if one["type"] == "DisruptionTarget"), "")


def test_a_job_runs_to_its_end_and_its_output_can_be_read(room: Room) -> None:
    room.create("jobs", job("good", "print('one'); print('two')"))
    assert verdict(room, "good")[:2] == ("Complete", "CompletionsReached")
    assert ended(room, "good")["reason"] == "Completed"
    (pod,) = pods_of(room, "good")
    log = room.cluster.call("GET", room.path("pods", f"{pod['metadata']['name']}/log"))
    assert log.text == "one\ntwo\n"
    stamped = room.cluster.call("GET", room.path("pods", f"{pod['metadata']['name']}/log?timestamps=true")).text
    assert len({line.split()[0] for line in stamped.splitlines()}) == 2


def test_a_finished_job_goes_when_its_time_is_over(room: Room) -> None:
    room.create("jobs", job("brief", "", ttlSecondsAfterFinished=1))
    until(lambda: room.cluster.call("GET", room.path("jobs", "brief")).status_code == 404)
    until(lambda: not pods_of(room, "brief"))


def test_a_failure_is_tried_again_as_often_as_declared_and_tells_its_last_words(room: Room) -> None:
    room.create("jobs", job("bad", "import sys; sys.exit('cannot load')", backoffLimit=1))
    assert verdict(room, "bad")[:2] == ("Failed", "BackoffLimitExceeded")
    pods = pods_of(room, "bad")
    states = [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in pods]
    assert [(one["exitCode"], one["reason"], one["message"]) for one in states] == [(1, "Error", "cannot load")] * 2
    rules = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
    room.create("jobs", job("hopeless", "import sys; sys.exit(42)", backoffLimit=5, podFailurePolicy=rules))
    assert verdict(room, "hopeless")[:2] == ("Failed", "PodFailurePolicy")
    assert len(pods_of(room, "hopeless")) == 1


def test_too_much_memory_is_the_end_of_a_container(room: Room) -> None:
    code = "import os, sys\nif os.fork(): os.wait(); sys.exit(0)\nkept = bytearray(200_000_000)\n" + SLEEP
    room.create("jobs", job("hungry", code, resources={"limits": {"memory": "96Mi"}}))
    verdict(room, "hungry")
    assert (ended(room, "hungry")["reason"], ended(room, "hungry")["exitCode"]) == ("OOMKilled", 137)


def test_time_is_over_for_a_job_and_for_a_pod(room: Room) -> None:
    room.create("jobs", job("late", SLEEP, activeDeadlineSeconds=1))
    room.create("jobs", job("late-pod", SLEEP, pod={"activeDeadlineSeconds": 1}))
    assert verdict(room, "late")[1] == "DeadlineExceeded"
    verdict(room, "late-pod")
    (pod,) = pods_of(room, "late-pod")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")


def test_an_image_that_is_not_there_is_waited_for(room: Room) -> None:
    room.create("jobs", job("imageless", "print(1)", image="registry.invalid/not/there:1"))

    def waiting() -> dict[str, str]:
        found: dict[str, str] = pods_of(room, "imageless")[0]["status"]["containerStatuses"][0]["state"]["waiting"]
        return found

    until(lambda: waiting()["reason"] == "ImagePullBackOff")
    assert "not found" in waiting()["message"]
    name = pods_of(room, "imageless")[0]["metadata"]["name"]
    assert any("Failed to pull image" in words for words in room.events(name, "Failed"))
    room.cluster.post("/-/images", {"registry.invalid/not/there:1": {}})
    assert verdict(room, "imageless")[0] == "Complete"


def test_a_pod_without_a_node_says_what_is_short_and_starts_when_there_is_room(room: Room) -> None:
    wants = {"requests": {"cpu": "3"}}
    room.create("jobs", job("first", SLEEP, resources=wants))
    running(room, "first")
    room.create("jobs", job("second", "", resources=wants))

    def words() -> str:
        (one,) = [c for c in pods_of(room, "second")[0]["status"]["conditions"] if c["type"] == "PodScheduled"]
        return str(one["message"])

    until(lambda: words().startswith("0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {"))
    assert "No preemption victims found" in words()
    room.delete("jobs", "first")
    assert verdict(room, "second")[0] == "Complete"
    gpu = {"limits": {"nvidia.com/gpu": "1"}}
    tolerated = {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}
    room.create("jobs", job("on-gpu", "", resources=gpu, pod=tolerated))
    verdict(room, "on-gpu")
    assert pods_of(room, "on-gpu")[0]["spec"]["nodeName"] == "gpu"


def test_who_matters_more_takes_the_place_of_who_matters_less(room: Room) -> None:
    wants = {"requests": {"cpu": "3"}}
    rules = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    room.create("jobs", job("victim", SLEEP, resources=wants, podFailurePolicy=rules, pod={"priorityClassName": "low"}))
    pod = running(room, "victim")
    room.create("jobs", job("important", SLEEP, resources=wants, pod={"priorityClassName": "high"}))
    running(room, "important")
    assert any("Preempted by pod" in words for words in room.events(pod, "Preempted"))
    room.delete("jobs", "important")
    assert running(room, "victim") != pod
    room.delete("jobs", "victim")


def test_a_quota_refuses_in_the_words_of_the_api(room: Room) -> None:
    strict = Room(room.cluster, "strict")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
    strict.create("resourcequotas", {**quota, "spec": {"hard": {"requests.cpu": "1", "pods": "2"}}})
    strict.create("jobs", job("big", "", resources={"requests": {"cpu": "1500m"}}))
    said = until(lambda: strict.events("big", "FailedCreate"))
    expected = "exceeded quota: small, requested: requests.cpu=1500m, used: requests.cpu=0, limited: requests.cpu=1"
    assert expected in said[0]
    strict.create("deployments", deployment("silent", "1"))

    def failure() -> list[str]:
        conditions = strict.read("deployments", "silent")["status"]["conditions"]
        return [one["message"] for one in conditions if one["type"] == "ReplicaFailure"]

    assert "must specify requests.cpu for: main" in until(failure)[0]


def test_a_node_short_of_memory_evicts(room: Room) -> None:
    room.create("jobs", job("pressed", SLEEP))
    pod = running(room, "pressed")
    room.cluster.post(f"/-/pods/runs/{pod}/evict-pressure")
    verdict(room, "pressed")
    status = room.read("pods", pod)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status["message"].startswith("The node was low on resource: memory.")
    assert disruption(room.read("pods", pod)) == "TerminationByKubelet"


def test_a_lost_node_takes_its_pods_with_it_and_gives_them_back(room: Room) -> None:
    spot = {"nodeSelector": {"node-class": "spot"}, "tolerations": [{"key": "spot", "operator": "Exists"}]}
    room.create("jobs", job("on-spot", SLEEP, backoffLimit=3, pod=spot))
    pod = running(room, "on-spot")
    room.cluster.post("/-/nodes/spot/lost")
    until(lambda: len(pods_of(room, "on-spot")) == 2)
    lost = room.read("pods", pod)
    assert disruption(lost) == "DeletionByTaintManager"
    assert "deletionTimestamp" in lost["metadata"]
    room.cluster.post("/-/nodes/spot/back")
    until(lambda: pod not in [one["metadata"]["name"] for one in pods_of(room, "on-spot")])
    running(room, "on-spot")
    room.cluster.delete("/api/v1/nodes/spot")
    until(lambda: room.events(pods_of(room, "on-spot")[0]["metadata"]["name"], "FailedScheduling"))


def test_a_container_that_fails_again_and_again_waits_longer_each_time(room: Room) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "crashing"},
        "spec": job("x", "import sys; sys.exit('boom')")["spec"]["template"]["spec"] | {"restartPolicy": "Always"},
    }
    room.create("pods", pod)

    def status() -> dict[str, Any]:
        found: dict[str, Any] = room.read("pods", "crashing")["status"]["containerStatuses"][0]
        return found

    until(lambda: status()["state"]["waiting"]["reason"] == "CrashLoopBackOff")
    until(lambda: status()["restartCount"] >= 2)
    assert status()["lastState"]["terminated"]["exitCode"] == 1
    previous = until(lambda: room.cluster.call("GET", room.path("pods", "crashing/log?previous=true")).text)
    assert previous == "boom\n"
    room.delete("pods", "crashing")


def test_volumes_settings_and_init_containers_reach_a_pod(room: Room) -> None:
    metadata = {"name": "settings"}
    data = {"where.txt": "the model lies in /release/model", "PLAIN": "value"}
    room.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    room.create(
        "secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"KEY": "hidden"}}
    )
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept"}, "spec": claim}
    room.create("persistentvolumeclaims", body)
    code = (
        "import os, pathlib\n"
        "print(open(os.environ['MODEL']).read(), os.environ['KEY'], os.environ['PLAIN'], os.environ['NODE'])\n"
        "print(pathlib.Path(open(os.environ['WHERE']).read().split()[-1]).exists())\n"
        "open(os.environ['KEPT'], 'a').write('x')\n"
    )
    one = job("mounted", code)
    pod = one["spec"]["template"]["spec"]
    mounts = [{"name": "release", "mountPath": "/release"}, {"name": "config", "mountPath": "/etc/settings"}]
    mounts.append({"name": "claim", "mountPath": "/kept"})
    pod["volumes"] = [
        {"name": "release", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "settings"}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "kept"}},
    ]
    pod["containers"][0] |= {
        "volumeMounts": mounts,
        "envFrom": [{"secretRef": {"name": "settings"}}],
        "env": [
            {"name": "MODEL", "value": "/release/model"},
            {"name": "WHERE", "value": "/etc/settings/where.txt"},
            {"name": "KEPT", "value": "/kept/file"},
            {"name": "PLAIN", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "PLAIN"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
    }
    fetch = {"name": "fetch", "image": pod["containers"][0]["image"], "volumeMounts": mounts[:1]}
    pod["initContainers"] = [{**fetch, "command": ["sh", "-c", "echo -n weights > /release/model"]}]
    room.create("jobs", one)
    assert verdict(room, "mounted")[0] == "Complete"
    (made,) = pods_of(room, "mounted")
    log = room.cluster.call("GET", room.path("pods", f"{made['metadata']['name']}/log")).text
    assert log.splitlines() == [f"weights hidden value {made['spec']['nodeName']}", "True"]
    kept = list((room.cluster.folder / "claims").rglob("file"))
    assert [path.read_text() for path in kept] == ["x"]


def test_what_a_container_needs_and_does_not_find_is_named(room: Room) -> None:
    one = job("unconfigured", "")
    reference = {"secretKeyRef": {"name": "nobodys", "key": "k"}}
    one["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "K", "valueFrom": reference}]
    room.create("jobs", one)

    def waiting() -> dict[str, str]:
        found: dict[str, str] = pods_of(room, "unconfigured")[0]["status"]["containerStatuses"][0]["state"]["waiting"]
        return found

    until(lambda: waiting()["reason"] == "CreateContainerConfigError")
    assert waiting()["message"] == 'secret "nobodys" not found'
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "nobodys"}, "stringData": {"k": "v"}}
    room.create("secrets", body)
    assert verdict(room, "unconfigured")[0] == "Complete"


def test_a_pod_may_ask_the_api_as_its_account(room: Room) -> None:
    code = (
        "import kubernetes, os\n"
        "kubernetes.config.load_kube_config()\n"
        "print(kubernetes.client.CoreV1Api().read_namespace('runs').metadata.name, open(os.environ['OWN']).read())\n"
    )
    one = job("asking", code)
    own = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
    one["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "OWN", "value": own}]
    room.create("jobs", one)
    assert verdict(room, "asking")[0] == "Complete"
    (pod,) = pods_of(room, "asking")
    assert room.cluster.call("GET", room.path("pods", f"{pod['metadata']['name']}/log")).text == "runs runs\n"


def test_a_stateful_set_keeps_names_and_volumes_over_an_update(room: Room) -> None:
    code = "import os, time; open(os.environ['DATA'], 'a').write(os.environ['HOSTNAME'] + ' '); time.sleep(600)"
    container = {"name": "main", "image": next(iter(IMAGES)), "command": ["python", "-c", code]}
    container |= {"env": [{"name": "DATA", "value": "/data/seen"}]}
    container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 1}
    body = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "store"},
        "spec": {
            "replicas": 2,
            "serviceName": "store",
            "selector": {"matchLabels": {"app": "store"}},
            "template": {"metadata": {"labels": {"app": "store"}}, "spec": pod},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }
    room.create("statefulsets", body)

    def updated() -> bool:
        one = room.read("statefulsets", "store")
        status = one["status"]
        fresh = status["observedGeneration"] == one["metadata"]["generation"]
        return fresh and status["updatedReplicas"] == status["readyReplicas"] == 2

    until(updated)
    assert [one["metadata"]["name"] for one in room.pods("app=store")] == ["store-0", "store-1"]
    change = {"metadata": {"annotations": {"changed": "yes"}}}
    room.merge("statefulsets", "store", {"spec": {"template": change}})
    until(updated)
    seen = sorted((room.cluster.folder / "claims" / "runs").rglob("seen"))
    assert [path.read_text() for path in seen] == ["store-0 store-0 ", "store-1 store-1 "]
