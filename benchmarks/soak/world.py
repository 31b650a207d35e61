"""The service that is soaked: a small model with windows over a real online store, packed and started like any other.

Belongs here: its declaration, its model, its process, and the requests of simulated cards. Does not belong here: sending, or verdicts.

A label window with a delay is part of it: its value is missing in every event that was just scored, which once kept all of them pending.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.processes import Server, running
from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.packaging import BuiltBento, build_bento, serve_command
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.store import apply
from platform_assets.testing.declare import declare, row, window
from platform_assets.training import artifact
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.predictor import Predictor
from serving.release import ReleaseInfo, SelfTestRow, feature_row
from serving.settings import ServingSettings

NAME = "soaked"
SPAN_DAYS = 3
"""How far back a state reaches: a day of windows, a day of label delay, a day for late requests."""
SECONDS_A_REQUEST = 6.912
"""Of event time: the first 50,000 requests cover four days, so that by then states are as large as they will ever be."""
HOT_CARD = 1
FIRST_EVENT = datetime(2024, 1, 2, tzinfo=UTC)


def use_case(sample_ratio: float = 0.0, **serving: Any) -> UseCase:
    """Payments of cards: what a card paid within a day, and what became of it as far as that is known."""
    return declare(
        name=NAME,
        events={"payment": "int64", "at": "datetime", "card": "int64", "amount": {"type": "float64", "minimum": 0}},
        label={"is_bad": [0, 1]},
        label_delay_days=1,
        history={"first_day": "2024-01-01", "last_day": "2024-12-31"},
        entities=[{"name": "card", "key": "card"}],
        features=[
            {"name": "payment_itself", "rows": [row("size", "amount")]},
            {
                "name": "card_activity",
                "entity": "card",
                "windows": [
                    window("payments", "count", None, [1]),
                    window("mean_amount", "mean", "amount", [1]),
                    window("bad_ratio", "mean", "is_bad", [1], delay_days=1, when_empty=0),
                ],
            },
        ],
        monitoring={"quality_metric": "auc_roc"},
        serving={
            "request": ["payment", "at", "card", "amount"],
            "decision": {"threshold": 0.5},
            "tracing": {"sample_ratio": sample_ratio},
            **serving,
        },
    )


def _model(declared: UseCase, folder: Path) -> Predictor:
    random_ = np.random.default_rng(0)
    names = declared.feature_names
    X = random_.gamma(2.0, 10.0, (500, len(names)))
    y = (X[:, 0] + random_.normal(0, 5, 500) > 25).astype(np.float64)
    days = np.datetime64("2024-01-01", "D") + np.sort(random_.integers(0, 7, 500))
    predictor = fit_predictor(
        Dataset(X, y, days, None, np.arange(500), names),
        make_learner("xgboost", {"max_depth": 3, "threads": 1}),
        seed=0,
    )
    artifact.save(predictor, folder)
    return predictor


def _release(declared: UseCase, predictor: Predictor) -> ReleaseInfo:
    rows = [dict.fromkeys(declared.feature_names, value) for value in (1.0, 20.0, 60.0)]
    X = np.array([feature_row(one, declared.feature_names) for one in rows])
    scores = predictor.predict(X)
    return ReleaseInfo(
        use_case=declared.name,
        model_version="1",
        feature_contract=feature_contract_hash(declared),
        self_test=tuple(SelfTestRow(features=one, score=float(score)) for one, score in zip(rows, scores, strict=True)),
    )


def packed(folder: Path, drivers: Sequence[str] = (), **serving: Any) -> tuple[UseCase, BuiltBento]:
    """The use case, and its Bento below a folder.

    Args:
        folder: for both.
        drivers: of databases that its settings need.
        serving: further fields of the section.
    """
    declared = use_case(**serving)
    model = folder / "model"
    return declared, build_bento(
        declared, model, _release(declared, _model(declared, model)), folder / "bentos", drivers=drivers
    )


@contextlib.contextmanager
def soaked_service(folder: Path, sample_ratio: float = 0.0, otlp: str | None = None) -> Iterator[Server]:
    """The service in a process of its own behind uvicorn's HTTP server, with its own SQLite store and prediction log below `folder`.

    Args:
        folder: for everything of it.
        sample_ratio: share of requests that are traced.
        otlp: receiver of their spans.

    Raises:
        NotReady: it did not start.
    """
    declared = use_case(sample_ratio)
    bento = build_bento(
        declared, folder / "model", _release(declared, _model(declared, folder / "model")), folder / "bentos"
    )
    feast = FeastSettings(
        project=declared.name,
        registry=f"sqlite:///{folder / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(folder),
    )
    apply(declared, feast)
    settings = ServingSettings(feast=feast.model_dump(), log_folder=folder / "log", otlp=otlp)
    port = free_port(os.getpid(), ())
    command, environment = serve_command(bento, settings, str(port))
    with running(command, environment, bento.code_folder, port) as server:
        yield server


@dataclass(frozen=True)
class Mix:
    """What the requests are.

    Attributes:
        cards: that take turns at random.
        hot_share: share of the requests that is one card's: small enough that its state, not its growth, sets its cost.
        repeated_share: share that is an earlier request again, with the same key.
        wrong_share: share that is refused.
    """

    cards: int = 5000
    hot_share: float = 0.005
    repeated_share: float = 0.02
    wrong_share: float = 0.01


def bodies(mix: Mix, seed: int = 0) -> Iterator[bytes]:
    """Request bodies in the order of event time, without end."""
    random_ = random.Random(seed)
    earlier = b""
    for number in itertools.count(1):
        chance = random_.random()
        if chance < mix.repeated_share and earlier:
            yield earlier
            continue
        at = FIRST_EVENT + timedelta(seconds=number * SECONDS_A_REQUEST)
        card = HOT_CARD if random_.random() < mix.hot_share else random_.randrange(2, mix.cards + 2)
        amount = round(random_.gammavariate(2.0, 20.0), 2)
        wrong = mix.repeated_share <= chance < mix.repeated_share + mix.wrong_share
        event = {"payment": number, "at": at.isoformat(), "card": card, "amount": "much" if wrong else amount}
        earlier = json.dumps(event).encode()
        yield earlier
