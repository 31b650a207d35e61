"""Features of one request, from the states that the online store holds.

Belongs here: what is stored for each entity, and reading and writing it. Does not belong here: computing over tables (`offline/`), or
the stream that keeps the store fresh (`streaming/`).
"""
