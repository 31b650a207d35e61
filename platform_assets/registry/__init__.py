"""The model registry: MLflow versions and aliases, and the ledger of every move, which MLflow does not keep.

Belongs here: registering a version, moving an alias with evidence, and the history of it. Does not belong here:
deciding whether a model is good enough (`evaluation/`), or starting services (`deployment/`).
"""
