"""How a use case's requests reach its arms on a cluster.

Belongs here: one module for each kind of route object, behind one Protocol. Does not belong here: the arms (`manifests/`).
"""
