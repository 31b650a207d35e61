"""A soak: a million requests to a real service, and whether its memory and its latency stay as they are.

Belongs here: the world that is soaked, the load, the verdict. Does not belong here: attacks, or latency beside other services.
"""
