"""Evaluation: what is measured on scored rows, how it is shown, and whether it is good enough.

Belongs here: metrics, reports with their plots, and the verdict. Does not belong here: fitting (`training`), moving an alias
(`registry`), watching a model in production (`monitoring`).
"""
