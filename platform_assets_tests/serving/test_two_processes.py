"""Two processes of one release, Feast's registry on PostgreSQL, states on Redis: no prediction lacks an event scored before it."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from platform_assets.deployment.packaging import build_bento
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.store import apply
from platform_assets.testing.servers import postgresql, redis
from platform_assets.training import artifact
from platform_assets_tests.serving.conftest import Service
from platform_assets_tests.serving.parking import EVENT, make_model, release_info, use_case

CLIENTS, REQUESTS = 4, 40


def test_one_hot_entity_is_counted_alike_by_both(tmp_path: Path) -> None:
    make_model(tmp_path / "model")
    info = release_info(artifact.load(tmp_path / "model"))
    bento = build_bento(use_case(), tmp_path / "model", info, tmp_path / "bentos", drivers=("psycopg",))
    with postgresql() as registry, redis() as store:
        feast = FeastSettings(
            project="parking", registry=registry.url, online_store=store.online_store, home=str(tmp_path)
        )
        apply(use_case(), feast)
        opened = {"feast": feast.model_dump(), "online_features": "serving.online:open_online_features"}
        services = [Service(bento, tmp_path / name, **opened) for name in ("first", "second")]
        statuses: list[int] = []

        def ask(client: int) -> None:
            random = Random(client)
            for number in range(REQUESTS):
                event = EVENT | {"arrival": f"{client}-{number}", "lot": 7, "arrived_at": datetime.now(UTC).isoformat()}
                statuses.append(random.choice(services).score(event).status)

        try:
            for service in services:
                service.wait_until_ready()
            clients = [threading.Thread(target=ask, args=(client,)) for client in range(CLIENTS)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        finally:
            for service in services:
                service.stop()
    assert statuses == [200] * (CLIENTS * REQUESTS)
    lines = sorted((line for service in services for line in service.logged()), key=lambda line: line["scored_at"])
    assert len(lines) == len(statuses)
    for position, line in enumerate(lines):
        own = line["arrived_at"], line["arrival"]
        before = sum((other["arrived_at"], other["arrival"]) < own for other in lines[:position])
        assert line["feature__lot_count_1d"] == before + 1, "an event that was scored before is missing"
