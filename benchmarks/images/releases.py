"""New versions of a small service, each with a model of its own, and the image that one of them would be.

Belongs here: the declaration, its Bentos, and the Containerfile of an image for each release. Does not belong here: measuring.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.packaging import BuiltBento, build_bento
from platform_assets.testing.containers import IMAGES
from platform_assets.testing.declare import declare, row
from platform_assets.training import artifact
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from serving.release import ReleaseInfo, SelfTestRow, feature_row

NAME = "parcels"
BASE = "localhost/platform-assets/base:bookworm"
CONTAINERFILE = f"""
FROM {BASE} AS wheels
COPY src/requirements.txt /tmp/requirements.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf python3 -m venv /opt/venv \\
    && /opt/venv/bin/pip install -qq --no-cache-dir --only-binary=:all: --no-deps -r /tmp/requirements.txt
FROM {BASE}
COPY --from=wheels /opt/venv /opt/venv
COPY . /release
USER 65532:65532
"""
"""An image for each release, in as few steps as an image can have: less than what `bentoml containerize` does."""


def use_case() -> UseCase:
    """Parcels that are lost, by weight and distance."""
    return declare(
        name=NAME,
        events={"parcel": "int64", "at": "datetime", "weight": "float64", "distance": "float64"},
        label={"is_lost": [0, 1]},
        label_delay_days=1,
        features=[{"name": "parcel_itself", "rows": [row("kilograms", "weight"), row("kilometres", "distance")]}],
    )


def new_version(seed: int, folder: Path) -> BuiltBento:
    """The Bento of a model that no earlier seed made."""
    declared, random = use_case(), np.random.default_rng(seed)
    names = declared.feature_names
    X = random.gamma(2.0, 10.0, (500, len(names)))
    y = (X[:, 0] + random.normal(0, 5, 500) > 25).astype(np.float64)
    days = np.datetime64("2024-01-01", "D") + np.sort(random.integers(0, 7, 500))
    data = Dataset(X, y, days, None, np.arange(500), names)
    predictor = fit_predictor(data, make_learner("xgboost", {"max_depth": 3, "threads": 1}), seed=0)
    artifact.save(predictor, folder / "model")
    rows = [dict.fromkeys(names, value) for value in (1.0, 20.0, 60.0)]
    scores = predictor.predict(np.array([feature_row(one, names) for one in rows]))
    known = tuple(SelfTestRow(features=one, score=float(score)) for one, score in zip(rows, scores, strict=True))
    info = ReleaseInfo(
        use_case=NAME, model_version=str(seed), feature_contract=feature_contract_hash(declared), self_test=known
    )
    return build_bento(declared, folder / "model", info, folder / "bentos")


def build_release_image(bento: BuiltBento, tag: str, cached: bool) -> None:
    """Build an image that holds a release.

    Args:
        bento: the release.
        tag: of the image.
        cached: whether layers of earlier builds may be used again.
    """
    with tempfile.TemporaryDirectory() as scratch:
        settings = Path(scratch) / "pip.conf"
        listed = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
        translate = ["python3", str(IMAGES / "pip_settings.py"), str(settings)]
        paths = subprocess.run(translate, input=listed.stdout, capture_output=True, text=True, check=True).stdout
        file = Path(scratch) / "Containerfile"
        file.write_text(CONTAINERFILE)
        command = ["buildah", "bud", "--isolation", "chroot", "--network", "host", "--format", "oci", "--quiet"]
        command += ["--layers"] if cached else ["--no-cache"]
        command += [f"--volume={path}:{path}:ro" for path in paths.split()]
        command += [f"--secret=id=pip,src={settings}", "--file", str(file), "--tag", tag, str(bento.path)]
        done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{tag} was not built:\n{done.stderr[-2000:]}")
