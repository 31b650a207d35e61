"""A service whose every credential is a secret: Redis and PostgreSQL with passwords, tokens, certificates, all of them in Vault.

Belongs here: making it. Does not belong here: changing a credential (`rotations.py`), or the callers (`callers.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.soak.world import packed
from platform_assets.declaration import UseCase
from platform_assets.deployment.callers import make_access
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.host import free_port
from platform_assets.deployment.packaging import BuiltBento, probe, serve_command
from platform_assets.deployment.packaging.run import READY_PATH
from platform_assets.deployment.release import HOST_PLACEHOLDER, Release
from platform_assets.features.online.credentials import OF_SERVICES
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.features.online.store import apply
from platform_assets.pipelines.keep_secrets import keep_for_services
from platform_assets.secret_sources.database_logins import DatabaseLogins
from platform_assets.secret_sources.kept import KeptSecrets
from platform_assets.settings import SECRETS_VARIABLE, kept_secrets
from platform_assets.testing.servers import PostgreSQL, Redis, postgresql, redis
from platform_assets.testing.vault_server import Vault, vault
from serving.settings import ServingSettings

PATH = "platform"
UNHURRIED = {"max_wait_ms": 5000}
"""A machine that others use as well refuses otherwise what waits, whatever is rotated."""
USER = "service"
PROCESSES = 2
LONGEST_START_SECONDS = 600.0
"""A machine that others use as well may take minutes."""


def new_password() -> str:
    """One that nobody had before, with letters that addresses have to escape nowhere."""
    return secrets.token_hex(12)


@dataclass
class RotatedService:
    """The service, and where its credentials are changed.

    Attributes:
        use_case: its declaration.
        folder: of everything.
        vault: holds the secrets.
        kept: the source, as this process reads it.
        postgresql: has Feast's registry.
        redis: has the online store.
        release: what is deployed.
        port: of the address.
        stored: what Vault holds.
        tokens: of the caller, the newest first.
        deployed: how often.
    """

    use_case: UseCase
    folder: Path
    vault: Vault
    kept: KeptSecrets
    postgresql: PostgreSQL
    redis: Redis
    port: int
    stored: dict[str, str]
    tokens: list[str]
    release: Release | None = None
    deployed: int = 0

    @property
    def credentials(self) -> Path:
        """The folder that the service reads."""
        return self.folder / "credentials"

    def store(self, **changed: str) -> None:
        """Write secrets to Vault."""
        self.stored |= changed
        self.vault.write(PATH, self.stored)

    def target(self) -> LocalTarget:
        """The target under the present tokens and certificates: what `callers apply` and every run open."""
        tls = {"certificate": str(self.folder / "address.pem"), "key": str(self.folder / "address.key")}
        access = make_access(True, {"checkout": self.tokens}, tls)
        return LocalTarget(
            self.folder / "target",
            self.port,
            port_setting="the benchmark's port",
            callers=access,
            start_timeout_seconds=LONGEST_START_SECONDS,
        )

    def deploy(self) -> None:
        """Put the release into service once more, under another version."""
        assert self.release is not None
        self.deployed += 1
        self.target().deploy(replace(self.release, version=f"{self.release.version}-{self.deployed}"))

    def registry_address(self, password: str, user: str = USER) -> str:
        """Of Feast's registry."""
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.postgresql.port}/postgres"

    def online_store(self, password: str, user: str = USER) -> str:
        """Feast's configuration of the online store."""
        address = f"127.0.0.1:{self.redis.port},username={user},password={password}"
        return json.dumps({"type": "redis", "connection_string": address})

    def administer(self, *command: str) -> Any:
        """A command to Redis as its own user."""
        import redis as client

        with contextlib.closing(client.Redis(port=self.redis.port)) as connection:
            return connection.execute_command(*command)

    def make_certificate(self) -> None:
        """Another certificate of the address, signed by the same authority, in the place of the one before."""
        authority = self.folder / "authority.pem"
        if not authority.exists():
            files = ("-keyout", "authority.key", "-out", "authority.pem")
            _openssl("req", "-x509", *_KEY, "-subj", "/CN=authority", "-days", "2", *files, folder=self.folder)
        _openssl("req", *_KEY, "-subj", "/CN=localhost", "-keyout", "new.key", "-out", "new.csr", folder=self.folder)
        signing = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"]
        _openssl("x509", "-req", "-in", "new.csr", *signing, "-days", "2", "-out", "new.pem", folder=self.folder)
        for end in ("key", "pem"):
            (self.folder / f"new.{end}").replace(self.folder / f"address.{end}")


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def rotated_service(folder: Path, log: Callable[[str], None]) -> Iterator[RotatedService]:
    """The service, deployed and ready; everything is stopped at the end.

    Raises:
        DeploymentError: it does not come up.
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(vault())
        server.allow("platform", PATH)
        server.write(PATH, {"PLACE": "holder"})
        setting = {
            "kind": "vault",
            "address": server.address,
            "path": PATH,
            "login": server.role("platform", "platform"),
        }
        setting |= {"refresh_seconds": 1, "services": str(folder / "credentials")}
        os.environ[SECRETS_VARIABLE] = json.dumps(setting)
        stack.callback(os.environ.pop, SECRETS_VARIABLE)
        kept = kept_secrets()
        assert kept is not None
        database, store = stack.enter_context(postgresql()), stack.enter_context(redis())
        database.require_passwords()
        use_case, bento = packed(folder, drivers=("psycopg",), callers={"auth": "token"}, overload=UNHURRIED)
        made = RotatedService(
            use_case, folder, server, kept, database, store, free_port(os.getpid(), ()), {}, [new_password()]
        )
        _first_passwords(made)
        logins = DatabaseLogins(kept)
        logins.follow()
        feature_store = FeatureStore(
            made.stored[OF_SERVICES[0]], json.loads(made.stored[OF_SERVICES[1]]), str(folder), secrets=kept,
            credentials=made.credentials, in_credentials=OF_SERVICES, keeps_credentials=True,
        )  # fmt: skip
        apply(use_case, feature_store.settings(use_case))
        made.make_certificate()
        made.release = _release(bento, use_case, feature_store, folder)
        stack.callback(lambda: made.target().stop_all())
        keep_for_services(feature_store, made.target())
        made.deploy()
        log("the service is deployed")
        yield made


def _first_passwords(made: RotatedService) -> None:
    of_registry, of_store = new_password(), new_password()
    made.postgresql.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{of_registry}'; GRANT ALL ON SCHEMA public TO {USER}")
    made.administer("ACL", "SETUSER", USER, "on", f">{of_store}", "~*", "&*", "+@all")
    made.store(**dict(zip(OF_SERVICES, (made.registry_address(of_registry), made.online_store(of_store)), strict=True)))
    made.kept.bundle(0.0)


def _release(bento: BuiltBento, use_case: UseCase, feature_store: FeatureStore, folder: Path) -> Release:
    settings = ServingSettings(feast=feature_store.settings_of_service(use_case), log_folder=folder / "log")
    command, environment = serve_command(bento, settings, host=HOST_PLACEHOLDER)
    return Release(
        use_case=use_case.name,
        version="v1",
        command=command,
        environment=environment,
        ready_path=READY_PATH,
        working_dir=bento.code_folder,
        probe=probe(bento),
        processes=PROCESSES,
        callers=use_case.serving.callers,
        root=bento.path,
    )
