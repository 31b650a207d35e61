"""Registries, under the name that the language's own registries import.

Belongs here: nothing of its own. Does not belong here: the class, which stands in `platform_assets/members.py` so that a process that only
loads a model imports no declaration.
"""

from platform_assets.members import MemberRegistry, UnknownMember

__all__ = ["MemberRegistry", "UnknownMember"]
