"""The operations of the compiled loops: what aggregates are made of.

Belongs here: one whole number for each operation. Does not belong here: what an aggregate asks of a declaration
(`aggregation/aggregates.py`), how an operation is computed (`aggregation/compiled_loops.py`).

Numbers are never given anew, only added: compiled code that is cached on disk has them built in, and is made anew only when
`aggregation/compiled_loops.py` changes.
"""

COUNT, SUM, MEAN, MIN, MAX, STD, DISTINCT, LAST, SINCE = range(9)
