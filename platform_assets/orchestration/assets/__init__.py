"""Thin asset and check factories, one module for each layer.

Belongs here: from a `UseCase` to Dagster assets, each of which unpacks its context, calls a stage function, and
returns metadata worth reading. Does not belong here: the work itself (the stage packages), or sensors and jobs
(`orchestration/`).
"""
