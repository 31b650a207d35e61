"""From a team's own data to a first declaration: what a file holds, what it probably means, and a `defs.yaml` of it.

Belongs here: looking at data before anything is declared, and proposing. Does not belong here: reading declared
sources (`connectors`), judging rows (`validation`), and the empty template that `dg scaffold` writes
(`declaration/template.py`).
"""
