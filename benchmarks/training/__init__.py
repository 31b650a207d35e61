"""A large training set, and the loop of a search."""
