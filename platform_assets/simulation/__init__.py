"""Data made up on purpose: generators with a published method, seeded per day, and planted faults.

Belongs here: generators (each names the publication it follows), the contract they share, and the faults that can be
planted in any table to prove a gate red. Does not belong here: reading data that already exists (`connectors`),
writing tables (`lake`), and judging data (`validation`).
"""
