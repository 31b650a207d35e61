"""One side of the comparison: a tree of this project that makes the world's online store, builds the service and serves it.

    python -m benchmarks.request_path.side --shared FOLDER --own FOLDER --requests COUNT

Belongs here: serving behind the address of a local target of its own until standard input ends; one line of JSON says where. Does not
belong here: asking it anything (`topic.py`). It runs in the tree of the commit before as well, so that it imports what both have.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.request_path.world import fill_store, simulated_world
from platform_assets.declaration import feature_contract_hash
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.packaging import build_bento, serve_command
from platform_assets.deployment.packaging.run import READY_PATH
from platform_assets.deployment.release import HOST_PLACEHOLDER, Release
from platform_assets.features.online.feast_connection import prepare_sqlite
from serving.release import ReleaseInfo
from serving.settings import ServingSettings


def main(arguments: list[str]) -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.request_path.side", description="Serve one side.")
    parser.add_argument(
        "--shared", type=Path, required=True, help="folder with the model and what a release says of it"
    )
    parser.add_argument("--own", type=Path, required=True, help="folder for all that this side makes")
    parser.add_argument("--requests", type=int, required=True, help="how many requests the world has to hold")
    options = parser.parse_args(arguments)
    world = simulated_world(options.requests)
    case = world.use_case
    feast = fill_store(world, options.own / "feast")
    prepare_sqlite(feast)
    info = ReleaseInfo.model_validate_json((options.shared / "info.json").read_bytes())
    info = info.model_copy(update={"feature_contract": feature_contract_hash(case)})  # each code's own
    bento = build_bento(case, options.shared / "model", info, options.own / "bentos")
    settings = ServingSettings(feast=feast.model_dump(), log_folder=options.own / "log")
    command, environment = serve_command(bento, settings, host=HOST_PLACEHOLDER)
    release = Release(
        use_case=case.name,
        version="v1",
        command=command,
        environment=environment,
        ready_path=READY_PATH,
        working_dir=bento.code_folder,
        processes=case.serving.processes,
    )
    target = LocalTarget(options.own / "target", free_port(os.getpid(), ()), port_setting="the benchmark's port")
    try:
        target.deploy(release)
        status = target.status()
        processes = status.use_cases[case.name].processes
        line = {
            "address": target.address(),
            "score": f"{target.address(case.name)}/score",
            "services": [process.pid for process in processes],
            "release": str(bento.code_folder / "release"),
            "environment": settings.to_environment(),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        target.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
