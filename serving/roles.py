"""Callers' requests, and copies that a proxy makes of them.

Belongs here: telling them apart, and counting one by it. Does not belong here: answering (`app.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_assets.declaration.names import ARM_HEADER, SHADOW_HEADER
from platform_assets.declaration.prediction_log import LIVE, SHADOW
from serving.metrics import FAILED

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.runtime import Runtime

_ROLE = "platform_assets.role"
"""Where a request's scope keeps what `role_of` found."""


def role_of(request: Request, runtime: Runtime) -> str:
    """Whether a request is a caller's, or a copy that a proxy made of one for a version in shadow.

    A proxy that cannot mark copies names the arm that answers: who reads another's name got a copy.
    """
    known: str | None = request.scope.get(_ROLE)
    if known is None:
        arm, headers = runtime.settings.arm, request.headers
        of_another = arm is not None and headers.get(ARM_HEADER, arm) != arm
        known = request.scope[_ROLE] = SHADOW if of_another or SHADOW_HEADER in headers else LIVE
    return known


def count_shed(request: Request, runtime: Runtime) -> None:
    """Count a request that was refused before its turn: a caller got no answer."""
    if role_of(request, runtime) == SHADOW:
        runtime.metrics.shadow["failed"].inc()
    else:
        runtime.metrics.shed.inc()
        runtime.metrics.requests[FAILED].inc()
