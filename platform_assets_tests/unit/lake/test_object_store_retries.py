"""An object store that answers 503 for a while fails no load: it is asked again with growing pauses, by default."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date

import polars as pl
import pytest
from deltalake import write_deltalake

from platform_assets.connectors.files.stores import _file_system
from platform_assets.lake.lake import Lake
from platform_assets.lake.retries import POLARS_RETRIES, RETRIES, polars_options
from platform_assets.testing.servers import S3, s3

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
OUTAGE_SECONDS = 3.0
DAY = date(2024, 1, 1)


class Front:
    """Stands before an object store, lets everything through, or answers 503 to all."""

    def __init__(self, store: S3) -> None:
        host, _, port = store.endpoint.removeprefix("http://").partition(":")
        self._behind, self._open = (host, int(port)), list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.down_until, self.refused = 0.0, 0
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self) -> None:
        self.down_until, self.refused = time.monotonic() + OUTAGE_SECONDS, 0
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if time.monotonic() < self.down_until:
                self.refused += 1
                client.recv(65536)
                client.sendall(UNAVAILABLE)
                return
            with socket.create_connection(self._behind) as behind:
                self._open += [client, behind]
                threading.Thread(target=_copy, args=(behind, client), daemon=True).start()
                _copy(client, behind)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    with s3() as store:
        store.bucket("bucket")
        store.put("bucket", "in/a.csv", "x\n1\n")
        standing = Front(store)
        yield standing
        standing.close()


def lake_behind(front: Front) -> Lake:
    return Lake("s3://bucket/lake", {**S3(front.endpoint).options})


def test_a_table_is_written_while_the_store_answers_503(front: Front) -> None:
    options = lake_behind(front).storage_options()
    front.fail()
    write_deltalake("s3://bucket/lake/table", pl.DataFrame({"x": [1, 2]}), storage_options=options)
    assert front.refused > 0


def test_polars_takes_the_options_of_a_table_and_asks_again_too() -> None:
    with s3() as store:
        store.bucket("bucket")
        lake = Lake("s3://bucket/lake", store.options)
        table = lake.table("shop", "clean", "sales", {"x": pl.Int64(), "event_day": pl.Date()})
        table.write_partitions(pl.DataFrame({"x": [1, 2], "event_day": [DAY, DAY]}), DAY, DAY)
        assert table.read(DAY, DAY).height == 2
    options = polars_options({**RETRIES, "AWS_REGION": "eu", "max_retries": "3"})
    assert options == {**POLARS_RETRIES, "AWS_REGION": "eu", "max_retries": 3}
    assert polars_options({"retry_timeout_ms": "5"}) == {**POLARS_RETRIES, "retry_timeout_ms": 5}
    assert polars_options(None) is None


def test_a_delivered_file_is_read_while_the_store_answers_503(front: Front) -> None:
    files = _file_system(lake_behind(front).object_store)
    front.fail()
    with files.open_input_stream("bucket/in/a.csv") as stream:
        assert stream.read() == b"x\n1\n"
    assert front.refused > 0


def test_what_the_settings_name_comes_first_and_a_folder_needs_nothing() -> None:
    options = Lake("s3://bucket/lake", {"max_retries": "3", "AWS_REGION": "eu"}).storage_options()
    assert options == {**RETRIES, "max_retries": "3", "AWS_REGION": "eu"}
    assert Lake("s3://bucket/lake").storage_options() == dict(RETRIES), "keys come from the environment"
    assert Lake("/home/lake", {"AWS_REGION": "eu"}).storage_options() is None
