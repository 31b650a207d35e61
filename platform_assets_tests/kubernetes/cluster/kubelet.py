"""The kubelets of all nodes: a worker for each pod that is bound to a node that lives.

Belongs here: which pods run, watching their memory, and the files that their logs are in. Does not belong here: one pod (`pod_worker.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from platform_assets_tests.kubernetes.cluster.addresses import Addresses
from platform_assets_tests.kubernetes.cluster.events import WARNING
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    CONFIG_MAP,
    POD,
    SECRET,
    Object,
    is_finished,
    is_leaving,
    key_of,
)
from platform_assets_tests.kubernetes.cluster.pod_process import end_session, reap_orphans, sessions
from platform_assets_tests.kubernetes.cluster.pod_worker import Machine, PodWorker
from platform_assets_tests.kubernetes.cluster.store import ApiError
from platform_assets_tests.kubernetes.cluster.values import quantity
from platform_assets_tests.kubernetes.cluster.volumes import node_path

MEMORY_SECONDS = 0.2


class Kubelet:
    """Runs pods as processes of this machine."""

    def __init__(self, machine: Machine, addresses: Addresses) -> None:
        self._machine, self._addresses = machine, addresses
        self._workers: dict[str, PodWorker] = {}
        self._lost_nodes: set[str] = set()

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind in (CONFIG_MAP, SECRET) and event == "MODIFIED":
            source = "configMap" if kind == CONFIG_MAP else "secret"
            for worker in self._workers.values():
                if worker.namespace == thing["metadata"]["namespace"]:
                    worker.volumes.refresh(worker.object, source, thing["metadata"]["name"])
        if kind != POD:
            return
        uid = thing["metadata"]["uid"]
        worker = self._workers.get(uid)
        if event == "DELETED":
            if worker is not None:
                self._forget(worker)
            return
        node = thing["spec"].get("nodeName")
        if not node or node in self._lost_nodes:
            return
        if worker is None and not is_finished(thing) and not is_leaving(thing):
            self._workers[uid] = PodWorker(self._machine, thing, self._addresses.take())
            self._workers[uid].start()
        elif is_leaving(thing):
            if worker is not None:
                worker.delete(float(thing["metadata"].get("deletionGracePeriodSeconds", 30)))
            else:
                asyncio.get_running_loop().call_soon(self._remove, thing)

    def _remove(self, pod: Object) -> None:
        namespace, name = key_of(pod)
        with contextlib.suppress(ApiError):
            self._machine.store.delete(POD, namespace, name, grace_seconds=0, uid=pod["metadata"]["uid"])

    def _forget(self, worker: PodWorker) -> None:
        """The object is gone: whatever still runs ends at once, for a forced deletion waits for nobody."""
        worker.silent = True
        if any(one.process for one in worker.all()):
            worker.kill()
        worker.delete(0)
        asyncio.get_running_loop().create_task(self._clean(worker))

    async def _clean(self, worker: PodWorker) -> None:
        while any(one.process for one in worker.all()):
            await asyncio.sleep(0.02)
        worker.clean()
        self._addresses.give_back(worker.address)
        self._workers.pop(worker.uid, None)

    def worker(self, namespace: str, name: str) -> PodWorker | None:
        """Of a pod by its name."""
        found = (
            one for one in self._workers.values() if (one.namespace, one.name) == (namespace, name) and not one.silent
        )
        return next(found, None)

    def log_file(self, namespace: str, name: str, container: str, *, previous: bool = False) -> Path | None:
        """Where the output of a container lies, a line for each of its lines: `TIME stdout F line`; None where it has none."""
        worker = self.worker(namespace, name)
        found = next((one for one in worker.all() if one.name == container), None) if worker else None
        if found is None:
            return None
        file = found.log_file(found.restart_count - previous)
        return file if file.exists() else None

    def node_folder(self, node: str, path: str) -> Path:
        """Where a path of a node lies here."""
        return node_path(self._machine.folder, node, path)

    # What goes wrong

    def lose_node(self, node: str, *, processes_end: bool) -> None:
        """A node is heard of no longer.

        Args:
            node: its name.
            processes_end: whether its machine is off; otherwise its pods run on unheard.
        """
        self._lost_nodes.add(node)
        for worker in list(self._workers.values()):
            if worker.spec["nodeName"] == node:
                worker.silent = True
                if processes_end:
                    self._forget(worker)

    def find_node(self, node: str) -> None:
        """A node is back: what it still runs is told of again, what ended with its machine is started again."""
        self._lost_nodes.discard(node)
        for worker in list(self._workers.values()):
            if worker.spec["nodeName"] == node:
                worker.silent = False
                worker.publish()
        for pod in self._machine.store.items(POD):
            if pod["spec"].get("nodeName") == node:
                self.observe("MODIFIED", POD, pod)

    def evict(self, namespace: str, name: str, available: str = "51200Ki") -> bool:
        """End a pod because its node is short of memory; False where there is no such pod."""
        worker = self.worker(namespace, name)
        if worker is None:
            return False
        used = self._used()
        words = f"The node was low on resource: memory. Threshold quantity: 100Mi, available: {available}. "
        for one in worker.containers:
            request = ((one.spec.get("resources") or {}).get("requests") or {}).get("memory", 0)
            using = used.get(one.process.pid, 0) if one.process else 0
            if using > quantity(request):
                words += (
                    f"Container {one.name} was using {using // 1024}Ki, request is {request}, "
                    "has larger consumption of memory. "
                )
        worker.event(WARNING, "Evicted", words)
        worker.fail("Evicted", words, ("TerminationByKubelet", words))
        return True

    async def watch_memory(self) -> None:
        """End containers that hold more memory than they may. Pages that processes share are counted for each of them."""
        while True:
            await asyncio.sleep(MEMORY_SECONDS)
            limited = [
                (one, one.process)
                for worker in self._workers.values()
                for one in worker.all()
                if one.process is not None and one.memory_limit is not None
            ]
            if limited:
                used = await asyncio.to_thread(self._used)
                for one, process in limited:
                    if one.process is process and used.get(process.pid, 0) > (one.memory_limit or 0):
                        one.out_of_memory = True
                        process.kill()
            reap_orphans()

    @staticmethod
    def _used() -> dict[int, int]:
        return {session: sum(size for _, size in processes) for session, processes in sessions().items()}

    async def stop(self) -> None:
        """End all pods, in no order and without their hooks."""
        workers = list(self._workers.values())
        pids = [one.process.pid for worker in workers for one in worker.all() if one.process]
        for worker in workers:
            worker.silent = True
            worker.kill()
            worker.delete(0)
        for pid in pids:
            end_session(pid)
        while any(one.process for worker in workers for one in worker.all()):
            await asyncio.sleep(0.02)
        for worker in workers:
            worker.clean()
