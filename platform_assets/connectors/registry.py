"""The reader of each kind of connector.

Belongs here: from a declared source to what reads it. Does not belong here: the list of kinds, which is that of their declarations
(`declaration/sections/connectors/registry.py`): each names its reader.
"""

from typing import Any, cast

from platform_assets.connectors.base import Reader
from platform_assets.declaration.sections.sources import Source
from platform_assets.members import imported


def reader_of(source: Source) -> Reader[Any]:
    """What reads a source, imported when it is asked for first: drivers and clients cost seconds."""
    return cast(Reader[Any], imported(source.connector.reader))
