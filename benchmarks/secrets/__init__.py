"""Credentials that change while a service answers."""
