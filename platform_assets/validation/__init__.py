"""Judging rows and partitions: rules from the declaration, quarantine with reasons, profiles.

Belongs here: the pandera schema that a source's declaration gives, the rules a row and a partition are held to, what
becomes of those that break one, and profiles. Does not belong here: reading and casting (`connectors`), storing
(`lake`), and drift against a reference (`monitoring`).
"""
