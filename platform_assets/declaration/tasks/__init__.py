"""Kinds of task as the declaration knows them: names, metrics, and what may be declared for each.

Belongs here: one object for each kind, and their registry. Does not belong here: what is computed for a kind (`platform_assets/tasks`).
"""
