"""Feature stores of others that feature tables are published in, beside the lake.

Belongs here: the Protocol, and what publishes in each store. Does not belong here: computing features (`features/offline`), or the state
that services answer from (`features/online`).
"""
