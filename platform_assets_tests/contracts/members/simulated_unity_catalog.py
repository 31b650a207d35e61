"""A simulated Unity Catalog: tables, primary keys and online tables of one schema in memory, by the paths of Databricks' REST interface.

It answers as the public documentation says, refuses fields that the interface does not have, and keeps every request. It is no Databricks:
whatever Unity Catalog checks beyond this is not checked here.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "simulated-token"
CATALOG, SCHEMA = "ml", "features"
TABLE_FIELDS = {
    "catalog_name", "columns", "data_source_format", "name", "properties", "schema_name", "storage_location", "table_type",
}  # fmt: skip
COLUMN_FIELDS = {"name", "nullable", "position", "type_json", "type_name", "type_text"}
PUBLISH_FIELDS = {"online_store", "online_table_name", "publish_mode"}


class SimulatedUnityCatalog:
    """What the workspace holds, and what it was asked.

    Attributes:
        tables: by full name.
        online: publish specifications by the source table's full name, in order.
        requests: method, path and body of each request.
        broken: answers with this status, as long as it is set.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.online: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.broken: int | None = None

    def answer(self, method: str, path: str, body: Any, token: str) -> tuple[int, dict[str, Any]]:
        self.requests.append((method, path, body))
        if self.broken is not None:
            return self.broken, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "simulated"}
        if token != f"Bearer {TOKEN}":
            return 403, {"error_code": "PERMISSION_DENIED", "message": "Invalid access token."}
        if found := re.fullmatch(r"/api/2\.1/unity-catalog/tables/([\w.]+)", path):
            return self._table(found[1]) if method == "GET" else (405, {})
        if (method, path) == ("POST", "/api/2.1/unity-catalog/tables"):
            return self._create(body)
        if (method, path) == ("POST", "/api/2.1/unity-catalog/constraints"):
            return self._constrain(body)
        if method == "POST" and (found := re.fullmatch(r"/api/2\.0/feature-store/tables/([\w.]+)/publish", path)):
            return self._publish(found[1], body)
        return 404, {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No API found for '{method} {path}'"}

    def _table(self, name: str) -> tuple[int, dict[str, Any]]:
        if name not in self.tables:
            return 404, {"error_code": "TABLE_DOES_NOT_EXIST", "message": f"Table '{name}' does not exist."}
        return 200, self.tables[name]

    def _create(self, body: Any) -> tuple[int, dict[str, Any]]:
        unknown = set(body) - TABLE_FIELDS | {
            name for column in body["columns"] for name in set(column) - COLUMN_FIELDS
        }
        name = f"{body['catalog_name']}.{body['schema_name']}.{body['name']}"
        if unknown or (body["table_type"], body["data_source_format"]) != ("EXTERNAL", "DELTA"):
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"Unknown or wrong: {sorted(unknown)}"}
        if (body["catalog_name"], body["schema_name"]) != (CATALOG, SCHEMA):
            return 404, {"error_code": "SCHEMA_DOES_NOT_EXIST", "message": f"Schema '{name}' does not exist."}
        if name in self.tables:
            return 400, {"error_code": "TABLE_ALREADY_EXISTS", "message": f"Table '{name}' already exists"}
        for place, column in enumerate(body["columns"]):
            assert json.loads(column["type_json"])["name"] == column["name"]
            assert column["position"] == place
        self.tables[name] = {**body, "full_name": name, "table_constraints": []}
        return 200, self.tables[name]

    def _constrain(self, body: Any) -> tuple[int, dict[str, Any]]:
        key = body["constraint"]["primary_key_constraint"]
        table = self.tables[body["full_name_arg"]]
        nullable = {column["name"]: column["nullable"] for column in table["columns"]}
        if set(key) != {"child_columns", "name", "timeseries_columns"} or any(
            nullable[c] for c in key["child_columns"]
        ):
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "A key column is nullable."}
        table["table_constraints"].append({"primary_key_constraint": key})
        return 200, body["constraint"]

    def _publish(self, name: str, body: Any) -> tuple[int, dict[str, Any]]:
        spec = body["publish_spec"]
        if set(spec) != PUBLISH_FIELDS or spec["publish_mode"] not in ("TRIGGERED", "CONTINUOUS", "SNAPSHOT"):
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"Unknown or wrong: {spec}"}
        self.online.append((name, spec))
        self.tables.setdefault(spec["online_table_name"], {"name": spec["online_table_name"].rpartition(".")[2]})
        return 200, {"online_table_name": spec["online_table_name"], "pipeline_id": "simulated"}


@contextmanager
def simulated_unity_catalog() -> Iterator[tuple[str, SimulatedUnityCatalog]]:
    """A workspace on this machine: its address, and what it holds."""
    catalog = SimulatedUnityCatalog()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else None
            status, found = catalog.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
            answer = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", catalog
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
