"""Where rows come from, as declared: one model for each kind of connector.

Belongs here: the declaration of connectors, and what a declaration can answer by itself. Does not belong here: reading through
them (`connectors/`).
"""
