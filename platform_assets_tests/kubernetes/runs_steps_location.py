"""The assets of `runs_location.py` with a pod for each step.

Belongs here: the other executor. Does not belong here: the assets.
"""

import dagster as dg

from platform_assets.orchestration.kubernetes.steps import declared_k8s_executor
from platform_assets_tests.kubernetes.runs_location import ASSETS

defs = dg.Definitions(assets=ASSETS, executor=declared_k8s_executor)
