"""A folder with a `defs.yaml` and CSV files becomes a scored request; no Python is written for it."""

import numpy as np
import polars as pl

from platform_assets.assets.clean import quarantine_schema
from platform_assets.assets.model_folder import read_model_run
from platform_assets.features.parity import compare
from platform_assets.features.training_set import join_views
from platform_assets.lake.layout import CLEAN, FEATURES, MONITORING, QUARANTINE
from platform_assets.spec.predictions import FEATURE_PREFIX

from .conftest import Onboarded
from .machine_world import DAYS, PLANTED, ROWS_PER_DAY


def test_smoke(machine_failure: Onboarded) -> None:
    print(machine_failure.screen)

def test_smoke2(energy_use: Onboarded) -> None:
    print(energy_use.screen)
