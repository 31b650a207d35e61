"""Verdicts that may be read at any time, any number of times, and keep their error rate.

Belongs here: anytime-valid tests of a new version against the old one (errors, latency, scores, decisions, features), pure functions of
arrays. Does not belong here: where the arrays come from (`pipelines/`), what follows from a verdict (`deployment/rollout/`), or planning
(`design.py`).

Units. What happens to one customer, or to one process within some seconds, is not independent, and a test that counts requests as if it
were stops most rollouts of a version that is as good as the old one. So each function is told the unit of each request. Two kinds fit:

- **Blocks of time** (10 s, longer than a bad moment of a process lasts) where a request goes to an arm by lot, as in a canary, or to both,
  as in a shadow. Both arms see each block.
- **Entities** where the entity decides the arm and keeps it, as in an A/B test. Each entity is in one arm.

The functions see which of the two it is: units that hold most requests are seen by both arms or they are not.
"""
