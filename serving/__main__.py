"""Serve a Bento with one process: `python -m serving BENTO --port PORT`.

Belongs here: running BentoML's own application in this process. Does not belong here: anything `bentoml serve` would not
do as well.

`bentoml serve` puts a supervising process in front of its worker: twice the start, 80 MB more, a port that stays open while no worker
answers, and metrics files that two services of one BENTOML_HOME delete from each other. Where a process manager and a proxy already
supervise and balance, one process per port is enough. Both ways serve the same Bento.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from functools import partial
from pathlib import Path

from platform_assets.features.errors import FeatureError
from platform_assets.training.artifact import ArtifactError
from serving.bentoml_internals import keep_metrics_in_this_process, log_like_a_server
from serving.json_logs import fields_of_release, log_as_json
from serving.kept_counts import keep_counts, kept_page
from serving.online import StoreUnavailable
from serving.release import PackedReleaseError
from serving.settings import ServingSettings, ServingSettingsError, wants_json
from serving.slim_start import hide_all_but

STARTUP_FAILED = 3
STARTUP_ERRORS = (PackedReleaseError, ServingSettingsError, ArtifactError, FeatureError, StoreUnavailable, OSError)
KEEP_ALIVE_SECONDS = 15
"""Longer than a proxy keeps an idle connection, so that it never sends into one that is being closed."""


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM, of which the process dies once it is drained; 3 when the service could not start."""
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve a Bento with one process.")
    parser.add_argument("bento", help="folder of the built Bento")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    options = parser.parse_args(arguments)

    gc.disable()  # a tenth of the start; the warm-up turns it on again
    hide_all_but(Path(options.bento) / "src" / "requirements.txt")

    import bentoml
    import uvicorn

    log_like_a_server()
    if wants_json():
        log_as_json(fields_of_release(Path(options.bento) / "src"), logging.WARNING)
    logger = logging.getLogger("serving")  # not before: BentoML's configuration silences loggers that exist already
    logger.setLevel(logging.INFO)
    counts = ServingSettings.folder_of_counts()
    if counts is not None:
        keep_counts(counts)
    keep_metrics_in_this_process(None if counts is None else partial(kept_page, counts))
    try:
        service = bentoml.load(options.bento, standalone_load=True)
        service.inner.prepare()
    except STARTUP_ERRORS as error:
        logger.error("%s cannot be served: %s", options.bento, error)
        return STARTUP_FAILED
    context = bentoml.server_context
    context.service_name = service.name
    context.service_type = "entry_service"
    if service.bento is not None:
        context.bento_name, context.bento_version = service.bento.tag.name, service.bento.tag.version
    config = uvicorn.Config(
        service.to_asgi(is_main=True),
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else STARTUP_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
