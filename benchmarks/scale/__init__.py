"""Histories that do not fit into memory: in chunks, on a Ray cluster, with a killed worker and a busy customer, beside others."""
