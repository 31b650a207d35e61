"""A service under attack and in accidents."""
