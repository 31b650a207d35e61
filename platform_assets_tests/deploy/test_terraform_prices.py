"""What a size costs a month: price sheets, and the estimate made of them and of the modules' own sizes."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from platform_assets.declaration.sections.compute import Compute

ROOT = Path(__file__).parents[2]
PRICES = ROOT / "deploy" / "prices"
MODULES = ROOT / "deploy" / "terraform" / "modules"


@pytest.fixture(scope="module")
def estimate() -> ModuleType:
    """deploy/terraform/estimate.py, which is a script and in no package."""
    specification = importlib.util.spec_from_file_location("estimate", ROOT / "deploy" / "terraform" / "estimate.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["estimate"] = module  # its dataclasses look for it there
    specification.loader.exec_module(module)
    return module


def total(estimate: ModuleType, capsys: pytest.CaptureFixture[str], *arguments: str) -> float:
    """The sum of one bill."""
    assert estimate.main([*arguments, "--format", "json"]) == 0
    return float(json.loads(capsys.readouterr().out)["total"])


def test_every_cloud_and_size_has_a_price_and_says_where_it_is_from(
    estimate: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert estimate.main(["--format", "json"]) == 0
    bills = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(one["cloud"], one["size"]) for one in bills} == {
        (cloud, size) for cloud in ("aws", "azure", "gcp", "own") for size in ("small", "production")
    }
    for bill in bills:
        assert "not fetched" in bill["source"], "nobody takes these figures for a quotation"
        assert bill["as_of"]
        assert bill["total"] == pytest.approx(sum(one["quantity"] * one["price"] for one in bill["lines"]), abs=0.01)
        assert bill["total"] > 100


@pytest.mark.parametrize("cloud", ["aws", "azure", "gcp"])
def test_groups_of_nodes_are_what_a_declaration_can_ask_for(cloud: str) -> None:
    sizes: dict[str, Any] = yaml.safe_load((MODULES / cloud / "sizes.yaml").read_text())
    for size in sizes.values():
        groups = size["nodes"]
        assert "general" in groups, "who asks for nothing has to find nodes"
        assert any(group.get("spot") for group in groups.values())
        for group in groups.values():
            Compute(gpus=group.get("gpus", 0), node_class=group["class"], spot=group.get("spot", False))
            assert 0 <= group["least"] <= group["most"]
            assert group.get("gpus", 0) == 0 or group["least"] == 0, "GPUs that nobody uses are not paid for"


def test_hours_with_gpus_and_the_share_of_spot_count(estimate: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    of = ("--cloud", "aws", "--size", "production")
    usual = total(estimate, capsys, *of)
    assert total(estimate, capsys, *of, "--gpu-hours", "0") < usual < total(estimate, capsys, *of, "--gpu-hours", "730")
    assert total(estimate, capsys, *of, "--spot-share", "0") > usual
    twice = total(estimate, capsys, *of, "--gpu-hours", "200") - total(estimate, capsys, *of, "--gpu-hours", "0")
    once = total(estimate, capsys, *of, "--gpu-hours", "100") - total(estimate, capsys, *of, "--gpu-hours", "0")
    assert twice == pytest.approx(2 * once, abs=0.02)


@pytest.mark.parametrize(
    ("find", "put", "words"),
    [
        ("  m7i.large:", "  m7i.lrge:", ["aws.yaml", "m7i.large", "add it"]),
        ("  nat_hour: 0.052", "", ["aws.yaml", "nat_hour"]),
        ("  nat_hour: 0.052", "  nat_hour: much", ["aws.yaml", "NAT gateways", "'much'"]),
        ("  nat_hour: 0.052", "  nat_hour: -1", ["aws.yaml", "NAT gateways", "-1"]),
        ("units:", "units: [", ["aws.yaml", "cannot be read"]),
    ],
)
def test_a_price_that_is_missing_or_wrong_is_named_with_its_file(
    estimate: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path, find: str, put: str, words: list[str]
) -> None:
    mine = tmp_path / "prices"
    shutil.copytree(PRICES, mine)
    sheet = mine / "aws.yaml"
    sheet.write_text(sheet.read_text().replace(find, put, 1))
    assert estimate.main(["--cloud", "aws", "--size", "small", "--prices", str(mine)]) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words), said


def test_the_page_shows_what_the_sheets_give(estimate: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "operations" / "cloud.md").read_text()
    shown = dict(re.findall(r"^\| (aws|azure|gcp|own) \| ([\d,]+) USD \| ", page, re.M))
    large = dict(re.findall(r"^\| (aws|azure|gcp|own) \| [\d,]+ USD \| ([\d,]+) USD \|", page, re.M))
    for cloud in ("aws", "azure", "gcp", "own"):
        for size, column in (("small", shown), ("production", large)):
            assert column[cloud] == f"{total(estimate, capsys, '--cloud', cloud, '--size', size):,.0f}", (cloud, size)
