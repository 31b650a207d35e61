"""Generated histories against the oracle."""
