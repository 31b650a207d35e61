"""Explain one prediction: computed again from what was known, taken apart, with everything it came from.

Belongs here: finding the prediction, its model and its state, and putting the explanation together. Does not belong here: Shapley values
(`training/`), windows (`features/consistency`), the page (`monitoring/explanation_page.py`), printing (`cli/explain.py`).
"""
