"""What a service's answers say, for those who ask it.

Belongs here: reading refusals. Does not belong here: asking, or the models of answers (`serving/request.py`).
"""

import json


def reason_of(body: str) -> str:
    """The reason in a refusal: its `error` where it is JSON as our services write it, else its first words."""
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    return str(values["error"]) if isinstance(values, dict) and "error" in values else " ".join(body.split())[:200]
