"""The model card: one page that says what a model is for, why it was chosen, how good it is and where it ends.

Belongs here: the page and its pictures. Does not belong here: gathering what stands on it (`pipelines/`).
"""
