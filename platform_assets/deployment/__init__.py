"""Deployment: takes a built service to a place where it answers, and replaces it without losing a request.

Belongs here: what a release is, the rollout as a state machine, and one package per kind of target. Does not belong
here: training and gates (they decide *whether* a version may be released), the service's own code (`serving`), and
Dagster (the assets call this package).
"""
