"""Training: validation folds that respect time and label delay, learners, comparison, and models saved without pickle.

Belongs here: turning a training-set frame into arrays, splitting it by time, fitting declared learners, comparing them on the same
folds, and saving or loading the fitted result. Does not belong here: what a good score is (`evaluation`), where a model is
registered (`registry`), how a feature is computed (`features`), and anything that knows dagster.

`predictor`, `artifact` and `learners` are also packed into the serving image: at module level they import the standard library and
numpy only, so that a service loads one learner's library and nothing else.
"""
