"""When one of these fails, Feast's online stores give out their connection by a public name, and the private one can go."""

from feast.infra.online_stores.redis import RedisOnlineStore
from feast.infra.online_stores.sqlite import SqliteOnlineStore


def public_names(store: type, *parts: str) -> set[str]:
    return {name for name in dir(store) if not name.startswith("_") and any(part in name.lower() for part in parts)}


def test_the_sqlite_connection_has_no_public_name() -> None:
    """`feast_connection.connected_store` takes `_get_conn`."""
    assert hasattr(SqliteOnlineStore, "_get_conn")
    assert not public_names(SqliteOnlineStore, "conn")


def test_the_redis_client_has_no_public_name() -> None:
    """`redis_client.limited_client` takes `_get_client`."""
    assert hasattr(RedisOnlineStore, "_get_client")
    assert not public_names(RedisOnlineStore, "client", "conn")
