"""Data made up on purpose: generators with a published method, seeded per day, and planted faults.

What belongs here: generators (each names the publication it follows), the contract they share, and the faults that
can be planted in any table to prove a gate red. What does not: reading data that already exists (`connectors`), writing
tables (`lake`), and judging data (`validation`).
"""
