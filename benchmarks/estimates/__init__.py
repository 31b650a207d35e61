"""How far estimates of quality can be trusted: coverage in quiet weeks, withdrawal after a change of concept, naming where it moved.

Belongs here: replayed worlds with planted changes, and what estimates made of them. Does not belong here: the estimates
(`platform_assets/monitoring/estimates`).
"""
