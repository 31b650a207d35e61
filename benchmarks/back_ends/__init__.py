"""The whole loop on other back ends, by settings alone, held against the embedded default."""
