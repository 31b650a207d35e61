"""Historical models made again."""
