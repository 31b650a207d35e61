"""What Vault has beyond other sources: logins that end, leases that are renewed, and users of a database that it makes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from platform_assets.secret_sources.database_logins import DatabaseLogins
from platform_assets.secret_sources.errors import SecretsDenied, SecretsExpired, SecretsUnreachable
from platform_assets.secret_sources.kept import KeptSecrets
from platform_assets.secret_sources.registry import parse_source
from platform_assets.testing.servers import PostgreSQL, postgresql
from platform_assets.testing.simulated_managers import simulated_manager
from platform_assets.testing.vault_server import Vault, vault
from platform_assets_tests.deploy.certificates import authority

VALUES = {"CARD_DATABASE": "canary"}


@pytest.fixture(scope="module")
def server() -> Iterator[Vault]:
    with vault() as running:
        running.allow("platform", "platform")
        running.write("platform", VALUES)
        yield running


def source_of(server: Vault, login: dict[str, Any], **fields: Any) -> Any:
    setting = {"kind": "vault", "address": server.address, "login": login, "path": "platform", **fields}
    return parse_source(json.dumps(setting), "SETTING").opened({})


def test_a_pod_signs_in_by_its_service_account(server: Vault, tmp_path: Path) -> None:
    account = {"namespace": "ml", "serviceaccount": {"name": "runs", "uid": "simulated"}}
    claims = {"kubernetes.io": account, "sub": "system:serviceaccount:ml:runs"}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "RS256"}, claims)
    ]
    token = f"{parts[0]}.{parts[1]}.c2ltdWxhdGVk"
    file = tmp_path / "token"
    file.write_text(token)
    with simulated_manager() as cluster:
        cluster.reviewed[token] = "ml/runs"
        server.client.sys.enable_auth_method("kubernetes")
        server.client.auth.kubernetes.configure(
            kubernetes_host=cluster.address,
            token_reviewer_jwt="reviewer",
            kubernetes_ca_cert=authority(tmp_path, "cluster").read_text(),
        )
        server.client.auth.kubernetes.create_role(
            name="runs",
            bound_service_account_names=["runs"],
            bound_service_account_namespaces=["ml"],
            policies=["platform"],
        )
        login = {"method": "kubernetes", "role": "runs", "token_file": str(file)}
        assert dict(source_of(server, login).read().values) == VALUES
        cluster.reviewed[token] = "other/runs"
        with pytest.raises(SecretsDenied):
            source_of(server, login).read()


def test_a_secret_id_that_expired_is_refused_and_a_new_one_counts_at_once(server: Vault) -> None:
    login = server.role("short", "platform", token_seconds=1, secret_id_seconds=1)
    source = source_of(server, login)
    assert dict(source.read().values) == VALUES
    time.sleep(1.2)
    with pytest.raises(SecretsDenied, match="secret id"):
        source.read()
    server.role("short", "platform")
    assert dict(source.read().values) == VALUES


def test_a_token_that_was_revoked_is_had_anew(server: Vault) -> None:
    source = source_of(server, server.role("revoked", "platform"))
    source.read()
    server.client.auth.token.revoke_accessor(source._token.identifier)
    assert dict(source.read().values) == VALUES


def test_a_token_is_renewed_before_it_ends(server: Vault) -> None:
    source = source_of(server, server.role("renewed", "platform", token_seconds=2))
    source.read()
    first = source._token
    time.sleep(1.5)
    source.read()
    assert source._token.content is first.content, "the same token, for longer"
    assert source._token.left_seconds > 1


def test_a_seal_is_named_and_what_was_read_counts_until_it_is_opened(server: Vault) -> None:
    source = source_of(server, server.role("sealed", "platform"))
    kept = KeptSecrets(source, refresh_seconds=0.0)
    kept.values()
    server.seal()
    try:
        with pytest.raises(SecretsUnreachable, match="sealed"):
            source.read()
        assert dict(kept.values()) == VALUES
    finally:
        server.unseal()
    assert dict(source.read().values) == VALUES


@pytest.fixture(scope="module")
def database(server: Vault) -> Iterator[PostgreSQL]:
    """A database with passwords, whose users Vault makes; they live for three seconds, six at most."""
    with postgresql() as running:
        running.require_passwords()
        server.client.sys.enable_secrets_engine("database")
        server.client.secrets.database.configure(
            name="store",
            plugin_name="postgresql-database-plugin",
            allowed_roles=["feast"],
            connection_url=f"postgresql://postgres@127.0.0.1:{running.port}/postgres?sslmode=disable",
        )
        made = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
        server.client.secrets.database.create_role(
            name="feast", db_name="store", creation_statements=[made], default_ttl="3s", max_ttl="6s"
        )
        yield running


def test_users_that_vault_makes_are_renewed_and_replaced_and_engines_follow(
    server: Vault, database: PostgreSQL
) -> None:
    address = f"postgresql://{{username}}:{{password}}@127.0.0.1:{database.port}/postgres"
    leased = [{"path": "database/creds/feast", "values": {"PLATFORM_ASSETS_FEAST_REGISTRY": address}}]
    source = source_of(server, server.role("leased", "platform"), leased=leased)
    kept = KeptSecrets(source, refresh_seconds=60)
    first = kept.bundle()
    assert first.valid_seconds is not None
    assert first.valid_seconds <= 3
    logins = DatabaseLogins(kept)
    logins.follow()
    engine = sa.create_engine(
        sa.make_url(first.values["PLATFORM_ASSETS_FEAST_REGISTRY"]).set(drivername="postgresql+psycopg"),
        poolclass=sa.NullPool,
    )
    users = set()
    try:
        until = time.monotonic() + 8  # longer than any user lives
        while time.monotonic() < until:
            with engine.connect() as connection:
                users.add(connection.scalar(sa.text("SELECT current_user")))
            time.sleep(0.25)
    finally:
        sa.event.remove(sa.Engine, "do_connect", logins.connect)
        engine.dispose()
    assert 2 <= len(users) <= 4, "a user lives as long as it can be renewed, and no longer"


def test_a_lease_that_ended_while_vault_is_away_is_no_secret_any_more(server: Vault, database: PostgreSQL) -> None:
    leased = [{"path": "database/creds/feast", "values": {"STORE": "{username}:{password}"}}]
    kept = KeptSecrets(source_of(server, server.role("away", "platform"), leased=leased), refresh_seconds=60)
    kept.values()
    server.seal()
    try:
        time.sleep(3.2)
        with pytest.raises(SecretsExpired, match="sealed"):
            kept.values()
    finally:
        server.unseal()
    assert kept.values()["STORE"]
