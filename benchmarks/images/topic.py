"""A new model live: an archive for the runtime image, against an image for each release.

Belongs here: the two ways, timed in one run. Does not belong here: what is built (`releases.py`).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.common.report import Bar, Topic
from benchmarks.images.releases import NAME, build_release_image, new_version, use_case
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.kubernetes.shipping import ship
from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.packaging.run import serve_command
from platform_assets.deployment.packaging.self_test import compare, free_port
from platform_assets.testing.containers import Pod, build_image, missing_tools, open_folder
from serving.release import read_release
from serving.settings import ServingSettings

TITLE = "A new model live, and an image build"
MOST = 1 / 3


def measure_images(rounds: int, log: Callable[[str], None]) -> Topic:
    """New models by archive and by image, alternating.

    Args:
        rounds: new models.
        log: told of each.

    Raises:
        RuntimeError: a tool is missing, an image was not built, or a service gave no answer.
    """
    if missing := missing_tools():
        raise RuntimeError(f"needs {', '.join(missing)}")
    taken: dict[str, list[float]] = {"ship": [], "fetch": [], "start": [], "image": [], "cached": []}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        runtime = build_image("serving", Path(scratch) / "out", TAG="bench")
        cached = f"localhost/platform-assets/{NAME}:cached"
        for number in range(rounds):
            folder = open_folder(Path(scratch) / str(number))
            bento = new_version(number, folder)
            for name, seconds in _live(bento, runtime, folder).items():
                taken[name].append(seconds)
            taken["image"].append(_timed(bento, f"localhost/platform-assets/{NAME}:{number}", cached=False))
            if number == 0:
                _timed(bento, cached, cached=True)
            else:
                taken["cached"].append(_timed(bento, cached, cached=True))
            log(", ".join(f"{name} {seconds[-1]:.1f} s" for name, seconds in taken.items() if seconds))
            subprocess.run(
                ["buildah", "rmi", f"localhost/platform-assets/{NAME}:{number}"], capture_output=True, check=False
            )
    return report(taken)


def report(taken: dict[str, list[float]]) -> Topic:
    """The topic's section."""
    live = [sum(parts) for parts in zip(taken["ship"], taken["fetch"], taken["start"], strict=True)]
    image = median(taken["image"])
    ratios = sorted(mine / theirs for mine, theirs in zip(live, taken["image"], strict=True))
    names = {
        "ship": "archive written and stored",
        "fetch": "archive fetched by a node that does not have it, verified and unpacked",
        "start": "container started, to the first right answer",
    }
    rows = [[text, f"{median(taken[name]) / image:.3f}"] for name, text in names.items()]
    rows += [
        ["new model live, by archive", f"{median(ratios):.3f}"],
        ["image with the release, built without earlier layers", "1"],
    ]
    if taken["cached"]:
        rows.append(
            ["the same on a builder that has the layers below the release", f"{median(taken['cached']) / image:.3f}"]
        )
    how = (
        f"New models of a small service, one after the other; medians of {len(live)}, as ratios to building an image in the same run. The "
        "image is the shortest that can be: libraries of the release, then its files. What follows its build (push, pull, start) is not "
        "counted; the archive's time goes to the first answer, compared with the model's own."
    )
    bar = Bar(
        "a new model is live in at most a third of the time of an image build",
        f"{median(ratios):.3f} (of {len(live)}: {ratios[0]:.3f} to {ratios[-1]:.3f})",
        median(ratios) <= MOST,
    )
    return Topic(TITLE, how, ["", "of an image build"], rows, [bar])


def _timed(bento: BuiltBento, tag: str, cached: bool) -> float:
    started = time.perf_counter()
    build_release_image(bento, tag, cached)
    return time.perf_counter() - started


def _live(bento: BuiltBento, runtime: str, folder: Path) -> dict[str, float]:
    """Seconds of each part until a new model answers in the runtime image."""
    store, release, cache, output = (open_folder(folder / name) for name in ("store", "release", "cache", "log"))
    rows = read_release(bento.code_folder / "release").info.self_test
    settings = ServingSettings(feast={}, log_folder=Path("/log"), online_features="serving.online:without_store")
    _, environment = serve_command(bento, settings)
    environment |= {"BENTOML_HOME": "/tmp/bentoml", "PYTHONPATH": "/release/src"}
    begun = time.perf_counter()
    archive = ship(bento.path, _cluster(store))
    shipped = time.perf_counter()
    pod = Pod(runtime, {f"{store}:ro": store, "/release": release, "/cache": cache}, {}, {})
    done = pod.run(*archive.fetch_command("/release", "/cache", 1.0))
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    fetched, port = time.perf_counter(), free_port()
    command = ["python", "-B", "-P", "/opt/platform-assets/start.py", "/release/src", "serving", "/release"]
    address = f"http://127.0.0.1:{port}"
    pod = Pod(runtime, {"/release:ro": release, "/log": output}, {}, environment)
    with pod.serving([*command, "--port", str(port)], address, folder / "output.txt"):
        compare(address, use_case().name, rows)
        answered = time.perf_counter()
    return {"ship": shipped - begun, "fetch": fetched - shipped, "start": answered - fetched}


def _cluster(store: Path) -> ClusterSettings:
    return ClusterSettings(
        namespace="bench",
        runtime_image=f"registry.example/serving@sha256:{'0' * 64}",
        releases=str(store),
        release_claim="releases",
        gateway="gateway",
        gateway_namespace="gateways",
        address="http://gateway.example",
    )
