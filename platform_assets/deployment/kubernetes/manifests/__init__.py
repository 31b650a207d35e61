"""The objects of arms, as the API takes them.

Belongs here: one module for each kind, pure functions from values to objects. Does not belong here: sending them (`client.py`), the order
in which they come and go (`session.py`), and how requests get to an arm (`routes/`).
"""
