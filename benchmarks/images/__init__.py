"""Images against archives: how soon a new model answers."""
