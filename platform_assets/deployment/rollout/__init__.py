"""The steps by which one version replaces another, whatever the target.

Belongs here: the pure state machine, strategies and what they decide. Does not belong here: performing a step on a target
(`local/`).
"""
