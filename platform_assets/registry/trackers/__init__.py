"""Trackers beside MLflow: a use case's runs in another tool, while the registry of models stays MLflow's.

Belongs here: a file for each tool, and the list of them. Does not belong here: the Protocols (`registry/tracking.py`), or MLflow
(`registry/mlflow_tracker.py`).
"""
