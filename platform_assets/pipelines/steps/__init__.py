"""The steps of a use case without Dagster: what each asset's verb is, what it waits for, and one of them run by itself.

Belongs here: what another orchestrator is told of a use case, and does for it. Does not belong here: verbs themselves (`pipelines/`), the
projects that are written for other orchestrators (`pipelines/export/`), or Dagster's own assets (`orchestration/`).
"""
