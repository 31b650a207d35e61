"""What it costs that requests are traced."""
