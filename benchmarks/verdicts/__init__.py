"""Verdicts of rollouts: how often a good version is stopped, and how soon a bad one is."""
