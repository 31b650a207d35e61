"""A service under load whose parts are killed, cut off and broken at random."""
