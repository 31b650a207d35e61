"""Real servers for tests and benchmarks: PostgreSQL, an object store, a Kafka cluster, Redis, MLflow.

Belongs here: starting each on a free port of this machine, and stopping it. Does not belong here: what a test puts
there. Each is a context manager; PostgreSQL takes two seconds to start, so that tests share one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

_POSTGRESQL_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_USER = "postgres"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PostgreSQL:
    """A running server with one empty database."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its SQLAlchemy address, as people write it."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/postgres"

    def execute(self, statements: str) -> list[list[str]]:
        """Run statements in one transaction; the rows of the last query as text, null as nothing."""
        command = [
            _binary("psql"),
            *self._address(),
            "-d",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
            "-qAt",
            "-1",
            "-f",
            "-",
        ]
        done = subprocess.run(command, input=statements, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def cut(self) -> None:
        """End every other connection, as a failing network does."""
        self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    def require_passwords(self) -> None:
        """Let every user but its own sign in by password from now on."""
        access = f"host all {_USER} 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.folder / "data" / "pg_hba.conf").write_text(access)
        self.execute("SELECT pg_reload_conf()")

    def create(self, name: str) -> None:
        """Make a further database."""
        subprocess.run([_binary("createdb"), *self._address(), name], check=True)

    def start(self, max_connections: int = 20) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": max_connections,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*_as_postgres(), _binary("postgres"), "-D", str(self.folder / "data"), *options]
        log = self.folder / "log"
        with log.open("a+b") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=self.folder)
            _wait_until_it_listens("PostgreSQL", self.process, self.port, output, 20)
        deadline = time.monotonic() + 20  # it listens before it answers
        while subprocess.run([_binary("pg_isready"), *self._address(), "-q"], check=False).returncode != 0:
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"PostgreSQL does not answer: {log.read_text()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server; its data stays."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # "fast": connections are ended
            self.process.wait(20)
            self.process = None

    def _address(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", _USER]


def skip_missing(what: str) -> NoReturn:
    """Skip the test that asks for a server that is not installed; fail it in CI."""
    import pytest

    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def _binary(name: str) -> str:
    return str(_POSTGRESQL_FOLDERS[-1] / name)


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """PostgreSQL on a free port; where it is not installed the test is skipped, and fails in CI."""
    if not _POSTGRESQL_FOLDERS:
        missing = "PostgreSQL's server is not installed: apt-get install postgresql"
        skip_missing(missing)
    folder = Path(tempfile.mkdtemp(prefix="platform-assets-postgresql-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam(_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
    server = PostgreSQL(folder, free_port())
    try:
        initdb = [_binary("initdb"), "-D", str(folder / "data"), "-A", "trust", "--no-sync"]
        made = subprocess.run(
            [*_as_postgres(), *initdb, "-U", _USER, "-E", "UTF8", "--locale=C.UTF-8"],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class S3:
    """An object store with the protocol of S3."""

    endpoint: str

    @property
    def options(self) -> dict[str, str]:
        """What `PLATFORM_ASSETS_OBJECT_STORE` holds for it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        self._system().create_dir(name)

    def put(self, bucket: str, key: str, data: bytes | str) -> None:
        """Put an object, replacing one of that key."""
        with self._system().open_output_stream(f"{bucket}/{key}") as stream:
            stream.write(data.encode() if isinstance(data, str) else data)

    def _system(self) -> Any:
        from pyarrow import fs

        return fs.S3FileSystem(
            access_key="test",
            secret_key="test",
            region="us-east-1",
            scheme="http",
            endpoint_override=self.endpoint.removeprefix("http://"),
            allow_bucket_creation=True,
            allow_delayed_open=True,  # moto refuses the multipart uploads that pyarrow makes of small files otherwise
        )


@contextmanager
def s3() -> Iterator[S3]:
    """An object store on a free port (moto's server)."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_until_it_listens("moto's server", process, port, log, 60)
            yield S3(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def mlflow_server(folder: Path, *options: str, **environment: str) -> Iterator[str]:
    """MLflow's server on a free port, with its database in a folder; its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=os.environ | environment, start_new_session=True
        )
        try:
            _wait_until_it_listens("MLflow's server", process, port, log, 120)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def _wait_until_it_listens(
    what: str, process: subprocess.Popen[bytes], port: int, log: IO[bytes], seconds: float
) -> None:
    """Wait for a server that was just started; where it ends or takes too long, its log says why."""
    deadline = time.monotonic() + seconds
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise AssertionError(f"{what} does not start: {log.read().decode(errors='replace')}")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Kafka:
    """A cluster that lives in this process and speaks the real protocol."""

    brokers: str
    producer: Any
    _failed: list[Any] = field(default_factory=list)

    def produce(self, topic: str, value: bytes | str | None, key: str | None = None, partition: int = 0) -> None:
        """Write one message and wait until it is there."""
        self.producer.produce(topic, value=value, key=key, partition=partition, on_delivery=self._delivered)
        assert self.producer.flush(10) == 0, "the message was not taken"
        assert not self._failed, self._failed

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failed.append(error)


@contextmanager
def kafka(brokers: int = 1) -> Iterator[Kafka]:
    """A cluster on free ports (librdkafka's mock); a topic appears with its first message, with four partitions."""
    from confluent_kafka import Producer

    producer = Producer({"test.mock.num.brokers": brokers, "linger.ms": 0, "log_level": 0})
    known = producer.list_topics(timeout=10).brokers.values()
    yield Kafka(",".join(f"{broker.host}:{broker.port}" for broker in known), producer)
    producer.flush(5)


@dataclass
class Redis:
    """A running redis-server without persistence."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def online_store(self) -> dict[str, Any]:
        """What `PLATFORM_ASSETS_FEAST_ONLINE_STORE` holds for it."""
        return {"type": "redis", "connection_string": f"127.0.0.1:{self.port}"}

    def pause(self) -> None:
        """Let it take connections and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def redis() -> Iterator[Redis]:
    """Redis on a free port; where it is not installed the test is skipped, and fails in CI."""
    binary = shutil.which("redis-server")
    if binary is None:
        missing = "Redis's server is not installed: apt-get install redis-server"
        skip_missing(missing)
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([binary, *options], stdout=log, stderr=log)
        try:
            _wait_until_it_listens("redis-server", process, port, log, 20)
            yield Redis(port, process)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(20)
