"""`python -m platform_assets_tests.kubernetes.cluster --folder F`: runs a test cluster until its standard input ends or it gets a signal.

Prints one line of JSON when it is ready: kubeconfig, address of the API, address and metrics of the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path

from platform_assets_tests.kubernetes.cluster.running_cluster import Cluster, Options


def options() -> Options:
    parser = argparse.ArgumentParser(prog="test-cluster", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for all files of the cluster")
    parser.add_argument("--port", type=int, default=0, help="of the API; 0 for a free one")
    parser.add_argument("--images", type=Path, help="JSON of the images that exist")
    parser.add_argument("--nodes", type=Path, help="JSON of the nodes; one roomy node without it")
    parser.add_argument("--rbac", action="store_true", help="enforce roles for tokens of service accounts")
    parser.add_argument("--fast-backoff", action="store_true", help="wait parts of a second instead of minutes")
    parser.add_argument("--toleration-seconds", type=int, default=300, help="how long pods stay on a lost node")
    return Options(**vars(parser.parse_args()))


async def run(chosen: Options) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if not sys.stdin.isatty():

        def heard() -> None:
            if not os.read(sys.stdin.fileno(), 4096):
                over.set()

        with contextlib.suppress(PermissionError):  # a file, such as /dev/null: only a signal ends the cluster
            loop.add_reader(sys.stdin.fileno(), heard)
    cluster = Cluster(chosen)
    try:
        await cluster.start()
        print(json.dumps(cluster.places()), flush=True)  # noqa: T201
        await over.wait()
    finally:
        await cluster.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(run(options()))
