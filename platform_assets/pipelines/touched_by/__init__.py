"""What a delivered file touched: rows, features, models and the predictions that were answered from them.

Belongs here: following rows of a file through the versions of the tables. Does not belong here: lineage of columns (`lake/lineage`), the
explanation of one prediction (`pipelines/explain_prediction`), printing (`cli/touched.py`).

"Touched" is a matter of containment, not of effect. A prediction is touched in its features when a row of the file stands among the rows
that one of its features was computed from, as they were when it was scored: in a window, in a look-up, as a label of an event in a window,
or, where predictions are made from tables, as the event itself. A prediction is touched through its model alone when none does, and the
training set of the model that answered holds such a row. Whether the answer would have been another one is a question of its own
(`again.py`).
"""
