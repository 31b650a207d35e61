"""Price sheets: what an hour of a core, of memory and of a GPU costs, what stored and sent bytes cost, and since when.

Belongs here: the sheet and reading it. Does not belong here: quantities (`usage.py`).

The sheets that come along are starting points with a date and a source: nothing is fetched, and a team's own contract is a file of the same
form.
"""

from __future__ import annotations

from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platform_assets.declaration.yaml_text import load_yaml

SUFFIX = ".yaml"
OF_CLOUD = "cloud"
"""In place of a name: the sheet of the cloud that a use case declares."""
OWN = "own"
"""A machine of one's own: the sheet of whoever declares no cloud, or several."""


class PriceSheetUnusable(ValueError):
    """A price sheet does not exist or cannot be read; the message names file and field."""


class PriceSheet(BaseModel):
    """Prices without tax, each for what one pays for when it is reserved or used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Of the sheet.")
    version: date = Field(description="The day as of which the prices were written down.")
    currency: str = Field(pattern="^[A-Z]{3}$", description="Of all prices.")
    source: str = Field(min_length=1, description="Where the prices come from, and what they leave out.")
    core_hour: float = Field(ge=0, description="A core for an hour, without its memory.")
    gigabyte_hour: float = Field(ge=0, description="A GB of memory for an hour.")
    gpu_hour: float = Field(default=0.0, ge=0, description="A GPU for an hour.")
    gigabyte_month_stored: float = Field(ge=0, description="A GB stored for a month of 730 hours.")
    gigabyte_sent: float = Field(default=0.0, ge=0, description="A GB that leaves for the internet.")
    spot_ratio: float = Field(default=1.0, gt=0, le=1, description="What a core on a spot node costs of a regular one.")

    @classmethod
    def named(cls, name: str) -> Self:
        """A sheet that comes along, by its name, or a file.

        Raises:
            PriceSheetUnusable: there is none, or it cannot be used.
        """
        path = (
            Path(name)
            if name.endswith((SUFFIX, ".yml"))
            else Path(str(files(__package__) / "sheets")) / f"{name}{SUFFIX}"
        )
        if not path.is_file():
            known = ", ".join(known_sheets())
            raise PriceSheetUnusable(f"there is no price sheet {name!r}: name a YAML file, or one of {known}")
        try:
            return cls.model_validate(load_yaml(path.read_text(encoding="utf-8"))[0])
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise PriceSheetUnusable(f"{path}: {problems}") from error
        except (OSError, ValueError) as error:
            raise PriceSheetUnusable(f"{path}: {error}") from error

    def money(
        self, cpu_seconds: float, gigabyte_seconds: float, gpu_seconds: float, stored_gigabyte_hours: float
    ) -> float:
        """What these quantities cost, in the sheet's currency."""
        hours = cpu_seconds * self.core_hour + gigabyte_seconds * self.gigabyte_hour + gpu_seconds * self.gpu_hour
        return hours / 3600 + stored_gigabyte_hours / HOURS_OF_A_MONTH * self.gigabyte_month_stored


HOURS_OF_A_MONTH = 730.0


def sheet_name(setting: str, cloud: str) -> str:
    """Name or file of the sheet that a use case is priced by.

    Args:
        setting: that of the installation; `cloud` leaves it to the use case.
        cloud: that the use case declares.
    """
    if setting != OF_CLOUD:
        return setting
    return cloud if cloud in known_sheets() else OWN


def known_sheets() -> list[str]:
    """Names of the sheets that come along."""
    return sorted(path.stem for path in Path(str(files(__package__) / "sheets")).glob(f"*{SUFFIX}"))
