"""Runs and steps on Kubernetes: their size, their queue, their deaths and what follows.

Belongs here: what dagster-k8s lacks. Does not belong here: the pods that answer (`deployment/`), or what an asset does.
"""
