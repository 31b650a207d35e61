"""A network that one or several processes fit: the loop, what the processes are given, and starting them on this machine.

Belongs here: everything about fitting a network that does not know learners. Does not belong here: the learner (`learners/neural`),
clusters (`distributed`).
"""
