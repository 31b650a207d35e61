"""What a day of the default use case costs, beside an earlier commit."""
