"""Judging rows and partitions: rules from the declaration, quarantine with reasons, profiles.

Belongs here: the pandera schema that a source's declaration gives, the rules a row and a partition are held to, what
becomes of those that break one, and profiles. Does not belong here: reading and casting (`connectors`), storing
(`lake`), and drift against a reference (`monitoring`).
"""

from platform_assets.validation.audit import QUARANTINE_SCHEMA, Audit, AuditError, audit
from platform_assets.validation.profile import PROFILE_SCHEMA, plot_profile, plot_volume, profile
from platform_assets.validation.results import ROW_RULES, TABLE_RULES, RuleResult

__all__ = [
    "PROFILE_SCHEMA",
    "QUARANTINE_SCHEMA",
    "ROW_RULES",
    "TABLE_RULES",
    "Audit",
    "AuditError",
    "RuleResult",
    "audit",
    "plot_profile",
    "plot_volume",
    "profile",
]
