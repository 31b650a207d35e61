"""Deciding an A/B test: from rows of the prediction log with their outcomes to a verdict that may be read at any time.

Belongs here: sample ratio, effect, guardrails, verdict and page, as pure functions of frames. Does not belong here: reading tables
(`pipelines/analyse_experiment.py`), who gets which version (`assignment.py`), how many it takes (`design.py`), or tests for a canary
(`sequential/`).
"""
