"""Experiments: sample size, assignment, and sequential tests for A/B decisions.

Belongs here: the statistics of comparing two running versions. Does not belong here: evaluation on past data
(`evaluation/`), or routing traffic (`deployment/`).
"""
