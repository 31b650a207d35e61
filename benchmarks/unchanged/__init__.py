"""Two homes made by two commits, held against each other."""
