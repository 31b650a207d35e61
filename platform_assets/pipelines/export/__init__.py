"""A use case as a project of another orchestrator.

Belongs here: what such a project is made from, and one module for each orchestrator. Does not belong here: what a step does
(`pipelines/steps/`), or Dagster (`orchestration/`).
"""
