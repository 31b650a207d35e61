"""A use case as Feast's own tools see it: a folder with a `feature_store.yaml`, and every feature under its own name.

Belongs here: what `feast` and `FeatureStore(repo_path=...)` need to list, find and ask for features, with the values of the platform.
Does not belong here: the online store and its states (`online/`), or the join (`offline/`).
"""
