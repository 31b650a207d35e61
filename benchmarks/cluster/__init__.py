"""Searches and fits on a Ray cluster of two nodes."""
