"""`python -m benchmarks.oip URL --model NAME [--grpc ADDRESS] [--request FILE]`: how well any server keeps to the protocol.

Belongs here: arguments and what is printed. Does not belong here: the checks (`rest.py`, `grpc_checks.py`).

URL is what stands before `/v2`. Without a file the request is made from the model's metadata, one value for each input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from benchmarks.oip.checks import Outcome


def outcomes(url: str, model: str, grpc_address: str | None, request: dict[str, object] | None) -> list[Outcome]:
    """The outcome of every check."""
    import httpx

    from benchmarks.oip.rest import Rest

    try:
        httpx.get(url, timeout=10.0, trust_env=False)
    except httpx.HTTPError as error:
        raise SystemExit(f"no server answers at {url}: {type(error).__name__}") from error
    found = Rest(url, model, request).run().outcomes
    if grpc_address is not None:
        from benchmarks.oip.grpc_checks import Grpc

        found = [*found, *Grpc(grpc_address, model, request).run().outcomes]
    return found


def summary(found: list[Outcome]) -> dict[str, tuple[int, int]]:
    """Kept checks and all checks, by door."""
    all_of, kept = Counter(one.door for one in found), Counter(one.door for one in found if not one.problem)
    return {door: (kept[door], count) for door, count in all_of.items()}


def main(arguments: list[str]) -> int:
    """Check a server; 1 when it does not keep something."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.oip", description="Open Inference Protocol conformance."
    )
    parser.add_argument("url", help="what stands before /v2, such as http://127.0.0.1:8080")
    parser.add_argument("--model", required=True, help="name of a model")
    parser.add_argument("--grpc", help="HOST:PORT of the gRPC door; it is not checked without")
    parser.add_argument("--request", type=Path, help="file with the JSON of an inference request that the model takes")
    parser.add_argument("--all", action="store_true", help="also list what is kept")
    options = parser.parse_args(arguments)
    request = None if options.request is None else json.loads(options.request.read_text(encoding="utf-8"))
    found = outcomes(options.url, options.model, options.grpc, request)
    for outcome in found:
        if outcome.problem or options.all:
            sys.stdout.write(f"{'not kept' if outcome.problem else 'kept':9}{outcome.door}: {outcome.what}")
            sys.stdout.write(f" ({outcome.problem})\n" if outcome.problem else "\n")
    for door, (kept, count) in summary(found).items():
        sys.stdout.write(f"{door}: {kept} of {count} checks kept\n")
    return int(any(outcome.problem for outcome in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
