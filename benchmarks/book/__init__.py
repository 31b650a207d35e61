"""The default use case against the handbook's models."""
