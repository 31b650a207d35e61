"""What depends on the kind of task: binary, multi-class, regression.

Belongs here: one object for each kind, behind one Protocol. Does not belong here: what every kind shares.
"""
