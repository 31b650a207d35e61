"""The runtime image, built with buildah: a release is fetched and answers in a container that is neither root nor writable."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.kubernetes.shipping import RUNTIME_SOURCES, ShippedRelease, ship
from platform_assets.deployment.packaging import BuiltBento, build_bento
from platform_assets.deployment.packaging.run import serve_command
from platform_assets.deployment.packaging.self_test import compare, free_port
from platform_assets.testing.containers import USER, Pod, build_image, missing_tools, open_folder
from platform_assets_tests.serving.parking import make_model, release_info, use_case
from serving.fetch_release import LIBRARIES_DIFFER, NO_SPACE, REFUSED
from serving.release import SelfTestRow
from serving.settings import ServingSettings

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.skipif(
        bool(missing_tools()) and "CI" not in os.environ, reason=f"NOT CHECKED: needs {', '.join(missing_tools())}"
    ),
]


class Shipped(NamedTuple):
    bento: BuiltBento
    rows: tuple[SelfTestRow, ...]
    archive: ShippedRelease
    store: Path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_image("serving", tmp_path_factory.mktemp("out"), TAG="test")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    folder = tmp_path_factory.mktemp("release")
    predictor = make_model(folder / "model")
    info = release_info(predictor)
    bento = build_bento(use_case(), folder / "model", info, folder / "bentos")
    store = open_folder(folder / "store")
    return Shipped(bento, info.self_test, ship(bento.path, settings(store)), store)


def settings(store: Path) -> ClusterSettings:
    return ClusterSettings(
        namespace="test",
        runtime_image=f"registry.example/serving@sha256:{'0' * 64}",
        releases=str(store),
        release_claim="releases",
        gateway="gateway",
        gateway_namespace="gateways",
        address="http://gateway.example",
    )


@pytest.fixture
def fetched(image: str, shipped: Shipped, tmp_path: Path) -> Path:
    """The release, fetched by the init container's command; the second time from the node's cache."""
    release, cache = open_folder(tmp_path / "release"), open_folder(tmp_path / "cache")
    pod = fetching(image, shipped, {"/release": release, "/cache": cache})
    done = pod.run(*shipped.archive.fetch_command("/release", "/cache", 1.0))
    assert done.returncode == 0, done.stderr
    assert "from the node's cache" not in done.stderr
    again = pod.run(*shipped.archive.fetch_command("/release", "/cache", 1.0))
    assert "from the node's cache" in again.stderr, again.stderr
    return release


def fetching(image: str, shipped: Shipped, folders: dict[str, Path], memory: dict[str, str] | None = None) -> Pod:
    return Pod(image, {f"{shipped.store}:ro": shipped.store, **folders}, memory or {}, {})


def test_a_release_answers_from_the_runtime_image(image: str, shipped: Shipped, fetched: Path, tmp_path: Path) -> None:
    log = open_folder(tmp_path / "log")
    _, environment = serve_command(
        shipped.bento,
        ServingSettings(feast={}, log_folder=Path("/log"), online_features="serving.online:without_store"),
    )
    named = {"BENTOML_HOME": "/tmp/bentoml", "PYTHONPATH": "/release/src"}
    pod = Pod(image, {"/release:ro": fetched, "/log": log}, {}, environment | named)
    port = free_port()
    start = ["python", "-B", "-P", "/opt/platform-assets/start.py", "/release/src", "serving", "/release"]
    address = f"http://127.0.0.1:{port}"
    with pod.serving([*start, "--port", str(port)], address, tmp_path / "output.txt"):
        assert compare(address, "parking", shipped.rows) <= 1e-6


def test_the_container_is_neither_root_nor_writable(image: str) -> None:
    done = Pod(image, {}, {}, {}).run(
        "python",
        "-c",
        "import os; print(os.getuid(), os.getcwd(), [os.access(p, os.W_OK) for p in ('/', '/opt/platform-assets', '/opt/venv', '/tmp')])",
    )
    assert done.stdout.strip() == f"{USER} {RUNTIME_SOURCES} [False, False, False, True]", done.stderr


def test_the_image_says_nothing_of_where_its_packages_came_from(image: str) -> None:
    done = Pod(image, {}, {}, {}).run(
        "python",
        "-c",
        "import glob, os; print([p for p in ('/etc/pip.conf', '/etc/xdg/pip', '/etc/uv') if os.path.isfile(p) and os.path.getsize(p)], "
        "[k for k in os.environ if k.startswith(('PIP_', 'UV_'))], glob.glob('/opt/venv/lib/python3.11/site-packages/pip'))",
    )
    assert done.stdout.strip() == "[] [] []", done.stdout + done.stderr


def test_a_changed_archive_is_refused_in_the_pod(image: str, shipped: Shipped, tmp_path: Path) -> None:
    store = open_folder(tmp_path / "store")
    changed = store / Path(shipped.archive.uri).name
    changed.write_bytes(Path(shipped.archive.uri).read_bytes() + b"x")
    release = open_folder(tmp_path / "release")
    pod = Pod(image, {f"{shipped.store}:ro": store, "/release": release}, {}, {})
    done = pod.run(*shipped.archive.fetch_command("/release"))
    assert done.returncode == REFUSED
    assert "Nothing was unpacked" in done.stderr
    assert list(release.iterdir()) == []


def test_a_volume_that_is_too_small_is_said(image: str, shipped: Shipped) -> None:
    done = fetching(image, shipped, {}, {"/release": "64k"}).run(*shipped.archive.fetch_command("/release"))
    assert done.returncode == NO_SPACE, done.stderr
    assert "/release is full" in done.stderr


def test_a_release_of_other_libraries_is_refused(image: str, shipped: Shipped, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "src").mkdir(parents=True)
    (other / "src" / "requirements.txt").write_text("numpy==1.0\ntorch==2.13.0\n")
    archive = ship(other, settings(shipped.store))
    done = fetching(image, shipped, {}, {"/release": "1m"}).run(*archive.fetch_command("/release"))
    assert done.returncode == LIBRARIES_DIFFER, done.stderr
    assert "instead of 1.0; torch 2.13.0 is absent" in done.stderr
