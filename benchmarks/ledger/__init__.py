"""Moves of a champion that are killed."""
