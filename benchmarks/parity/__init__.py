"""Features served and computed offline."""
