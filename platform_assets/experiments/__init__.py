"""Experiments: what it takes to show that a new version is better, before anything is shown to anybody.

Belongs here: planning an A/B test, and later deciding it. Does not belong here: declarations (`declaration/sections/experiments.py`),
splitting traffic (`deployment/`), or gates on the past (`evaluation/`).
"""
