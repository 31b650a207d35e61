"""The page `your-tools.md`, typed: each block of Python on the world of one run, and each tool's own commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.features.online.request_features import OnlineFeatures

from .conftest import ROOT, LivedIn

PAGE = (ROOT / "docs" / "guide" / "your-tools.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
HOME = ".platform/default"


def typed(lived_in: LivedIn, block: str) -> dict[str, Any]:
    """What a block leaves behind, in the world's home; its days are those of the world."""
    names: dict[str, Any] = {}
    exec(compile(block.replace(HOME, str(lived_in.home)), "your-tools.md", "exec"), names)
    return names


def block_with(text: str) -> str:
    return next(block for block in BLOCKS if text in block)


def test_feast_gives_the_service_s_values(lived_in: LivedIn) -> None:
    found = typed(lived_in, block_with("get_online_features"))
    event = {**found["payment"]}
    event["transaction_time"] = pl.Series([event["transaction_time"]]).str.to_datetime(time_zone="UTC").item()
    settings = lived_in.installation.feature_store.settings(lived_in.use_case)
    ours = OnlineFeatures(lived_in.use_case, settings).vector(event).values
    theirs = [found["values"][name][0] for name in lived_in.use_case.feature_names]
    np.testing.assert_array_equal(np.array([np.nan if one is None else one for one in theirs]), ours)
    assert found["some"]["customer_count_7d"] == [found["values"]["customer_count_7d"][0]]


def test_feast_gives_the_training_set_s_values(lived_in: LivedIn) -> None:
    found = typed(lived_in, block_with("get_historical_features"))
    history = pl.from_pandas(found["history"])
    assert len(history) == len(found["rows"]) > 100
    table = lived_in.installation.catalog(lived_in.use_case).training_sets.read()
    both = table.join(history, on="transaction_id", suffix="_feast")
    assert len(both) > 100
    for name in lived_in.use_case.feature_names:
        assert both[name].cast(pl.Float64).equals(both[f"{name}_feast"].fill_nan(None), null_equal=True), name


def test_mlflow_compares_candidates_and_loads_the_champion(lived_in: LivedIn) -> None:
    found = typed(lived_in, block_with("search_runs"))
    candidates = found["candidates"]
    declared = {learner.name for learner in lived_in.use_case.training.learners}
    assert set(candidates["tags.candidate"]) == declared
    assert candidates["metrics.average_precision"].notna().all()
    assert found["best"]["tags.is_winner"] in {"true", "false"}
    assert len(found["scores"]) == len(found["example"])


@pytest.mark.parametrize("text", ["table.version()", "duckdb.sql", "scan_delta"])
def test_tables_are_read(lived_in: LivedIn, text: str) -> None:
    found = typed(lived_in, block_with(text))
    assert len(found.get("rows", found.get("by_day", found.get("day", ())))) > 0


def test_bentoml_finds_the_champion_s_bento(lived_in: LivedIn) -> None:
    code, said = lived_in.run("bento", "card_fraud")
    assert code == 0, said
    home = re.search(r"BENTOML_HOME=(\S+)", said)
    assert home is not None, said
    environment = {**os.environ, "BENTOML_HOME": home[1]}
    bentoml = Path(sys.executable).with_name("bentoml")
    listed = subprocess.run([bentoml, "list"], env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert "card_fraud:" in listed.stdout
    containerfile = next(line.split()[0] for line in said.splitlines() if line.strip().endswith("what it builds"))
    assert "FROM" in Path(containerfile).read_text()
