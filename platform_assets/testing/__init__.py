"""For tests and benchmarks, ours and users': declared worlds, planted faults, oracles and fakes.

Belongs here: what several tests or benchmarks need, and a user's tests may need as well. Does not belong here: fixtures of one test
folder, or anything that the product imports.
"""
