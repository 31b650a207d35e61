"""The code location of `sized.py` whose steps have pods of their own.

Belongs here: the other executor. Does not belong here: the assets.
"""

import dagster as dg

from platform_assets.orchestration.kubernetes.steps import declared_k8s_executor
from platform_assets_tests.deploy.runs.sized import ASSETS

defs = dg.Definitions(assets=ASSETS, jobs=[dg.define_asset_job("sized__train", ASSETS)], executor=declared_k8s_executor)
