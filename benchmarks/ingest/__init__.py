"""A history taken in."""
