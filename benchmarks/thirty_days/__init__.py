"""Thirty days under Dagster's real daemon with accidents, against days that nobody disturbed.

Belongs here: the accidents and the comparison. Does not belong here: the world (`platform_assets/testing/daemon_world.py`).
"""
