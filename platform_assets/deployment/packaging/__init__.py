"""Bentos: a registered model and the service's code become one folder that is addressed by its digest.

Belongs here: packing, building, starting a built Bento and comparing its answers. Does not belong here: what the service
does (`serving/`), or where a Bento runs (`platform_assets/deployment/local/`).
"""

from platform_assets.deployment.packaging.build import BentoError, BuiltBento, build_bento, find_bento
from platform_assets.deployment.packaging.run import serve_command, stream_command
from platform_assets.deployment.packaging.self_test import SelfTestError, SelfTestResult, probe, self_test

__all__ = [
    "BentoError",
    "BuiltBento",
    "SelfTestError",
    "SelfTestResult",
    "build_bento",
    "find_bento",
    "probe",
    "self_test",
    "serve_command",
    "stream_command",
]
