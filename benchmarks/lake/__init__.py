"""Loads that are killed, and planted faults."""
