"""The base of every declaration model, and the small types they share.

Belongs here: what all declarations have in common. Does not belong here: any one section of the requirement.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A lower-case name that is safe as an asset key part, a column name, a Feast name and a URL path segment."""


class Declaration(BaseModel):
    """Base of all declaration models: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)
