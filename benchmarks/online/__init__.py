"""The online store, and events until they are fresh there."""
