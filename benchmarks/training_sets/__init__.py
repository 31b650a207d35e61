"""Training sets by as-of join beside Feast."""
