"""Alerts: what somebody has to look at, made from the declaration, and who is told.

Belongs here: rules, burn rates, receivers, routes, and the monitoring stacks that carry them out. Does not belong here: metrics
(`serving/metrics.py`, `monitoring/telemetry`), or commands (`cli/alerts`).
"""
