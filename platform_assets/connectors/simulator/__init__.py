"""Simulated rows as a source.

Belongs here: drawing days and planting declared faults. Does not belong here: the generators (`simulation/`).
"""
