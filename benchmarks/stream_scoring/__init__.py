"""Events of a topic scored into another one while the process is killed again and again.

Belongs here: the world, the process that is killed, and what is counted. Does not belong here: scoring (`serving/doors/`).
"""
