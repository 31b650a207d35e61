"""The steps by which one version replaces another, whatever the target.

Belongs here: the pure state machine, strategies, the verbs that a rollout asks of a target, and the engine that performs it with them.
Does not belong here: how a target does a verb (`local/`).
"""
