"""Imports, definitions, and a service that starts."""
