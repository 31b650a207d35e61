"""Sheets of clouds are worked out from the prices that Terraform's estimate uses: one truth; and the declared cloud chooses one."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from platform_assets.monitoring.cost.price_sheet import PriceSheet, PriceSheetUnusable, known_sheets, sheet_name

ROOT = Path(__file__).parents[4]
GIB = 1.073741824
MEMORY = {"aws": (8, 16), "azure": (8, 28), "gcp": (8, 16)}
"""GiB of the machine with two cores, and of that with four and a GPU."""


@pytest.mark.parametrize("cloud", MEMORY)
def test_cores_memory_and_gpu_are_what_machines_cost(cloud: str) -> None:
    prices = yaml.safe_load((ROOT / "deploy" / "prices" / f"{cloud}.yaml").read_text())
    sheet = PriceSheet.named(cloud)
    sizes = yaml.safe_load((ROOT / "deploy" / "terraform" / "modules" / cloud / "sizes.yaml").read_text())["small"]
    plain = prices["machines"][sizes["nodes"]["general"]["machine"]]
    gpu = prices["machines"][sizes["nodes"]["gpu"]["machine"]]
    memory, memory_of_gpu = MEMORY[cloud]
    assert 2 * sheet.core_hour + memory * GIB * sheet.gigabyte_hour == pytest.approx(plain["hour"], rel=0.002)
    with_gpu = 4 * sheet.core_hour + memory_of_gpu * GIB * sheet.gigabyte_hour + sheet.gpu_hour
    assert with_gpu == pytest.approx(gpu["hour"], rel=0.002)
    assert sheet.spot_ratio == pytest.approx(plain["spot"] / plain["hour"], abs=0.001)
    assert sheet.gigabyte_month_stored == prices["units"]["object_gb_month"]
    assert sheet.gigabyte_sent == prices["units"]["traffic_gb"]
    assert (sheet.currency, sheet.version) == (prices["currency"], date.fromisoformat(f"{prices['as_of']}-01"))
    assert prices["region"] in sheet.source


def test_the_declared_cloud_chooses_its_sheet_unless_a_setting_does() -> None:
    assert known_sheets() == ["aws", "azure", "gcp", "own"]
    assert [sheet_name("cloud", cloud) for cloud in ("local", "aws", "azure", "gcp", "several")] == [
        "own", "aws", "azure", "gcp", "own",
    ]  # fmt: skip
    assert sheet_name("ours.yaml", "aws") == "ours.yaml"
    with pytest.raises(PriceSheetUnusable, match="there is no price sheet 'moon': name a YAML file, or one of aws, az"):
        PriceSheet.named(sheet_name("moon", "aws"))
