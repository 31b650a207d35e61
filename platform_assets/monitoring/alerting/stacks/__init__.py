"""Monitoring stacks: what carries the alerts out.

Belongs here: their Protocol, their list, and one file for each. Does not belong here: which alerts there are.
"""
