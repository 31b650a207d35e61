"""`platform-assets predict`: predictions without a caller who waits: of a table, of a topic.

Belongs here: the commands and what they print. Does not belong here: predicting (`pipelines/`).
"""
