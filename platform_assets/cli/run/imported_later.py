"""What a run imports step by step, so that a fresh installation compiles it ahead, on another core.

Belongs here: the modules, in the order of the steps that need them. Does not belong here: compiling them
(`features/aggregation/compilation.py`).
"""

from typing import Final

from platform_assets.features.aggregation.compilation import COMPILED

IMPORTED_LATER: Final = (
    "pandera.polars",
    "matplotlib.pyplot",
    "platform_assets.simulation.reach_loops",
    *COMPILED,
    "feast",
    "sklearn.ensemble",
    "xgboost",
    "mlflow",
    "torch",
    "bentoml",
)
"""An installation by uv has no bytecode: the first import of these takes half a minute of one core, and a second of it afterwards."""
