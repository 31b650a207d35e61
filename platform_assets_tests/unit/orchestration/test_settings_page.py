"""Every setting stands in the settings' page, with an example that can be used."""

import json
import re
from pathlib import Path

import pytest

from platform_assets.settings import PREFIX, Settings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
LINES = dict(re.findall(r"^\| `(\w+)` (\|.*)\|$", PAGE.read_text(), re.MULTILINE))
OUTSIDE = {"DAGSTER_HOME", f"{PREFIX}DAGSTER"}
"""Variables that Dagster reads."""


def test_no_setting_lacks_its_line_and_no_line_its_setting() -> None:
    assert set(LINES) - OUTSIDE == {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("variable", sorted(set(LINES) - OUTSIDE))
def test_the_example_of_each_line_can_be_used(variable: str, tmp_path: Path) -> None:
    cells = [cell.strip() for cell in LINES[variable].strip("|").split(" | ")]
    assert len(cells) == 3
    assert all(cells)
    for example in re.findall(r"`([^`]+)`", cells[-1]):
        settings = Settings.from_environment({f"{PREFIX}HOME": str(tmp_path), variable: example})
        value = getattr(settings, variable.removeprefix(PREFIX).lower())
        assert (value if not isinstance(value, dict) else value == json.loads(example)) not in (None, False)
