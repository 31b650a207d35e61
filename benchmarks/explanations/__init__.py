"""Predictions explained, and what the chain of the log costs."""
