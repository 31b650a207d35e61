"""The same events through every door: whether a bit of an answer differs, and what a door costs."""
