"""Features: computed once, by one engine, for training and for serving, and correct at every row's point in time.

Belongs here: the window engine, training sets by point in time, the state that the online store keeps for each entity,
Feast objects made from the declaration, look-ups for one request, and the proof that both sides agree. Does not belong
here: the declaration itself (`declaration/`), reading and writing tables (`lake/`), fitting models (`training/`), dagster.
"""
