"""The events of a busy entity as a tree of pages, of which a request reads a few.

Belongs here: pages, the tree over them, and windows computed from it. Does not belong here: where pages are stored
(`online/page_table.py`), states of entities with few events (`online/packed_state.py`).
"""
