"""What nobody is shown: passwords and tokens that stand in the environment.

Belongs here: finding them. Does not belong here: hiding them in what is printed (`console.py`), or reading settings (`settings.py`).
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import unquote

from platform_assets.settings import PREFIX

PASSWORD_IN_ADDRESS = re.compile(r"://[^\s:/@\"']*:([^\s/\"']+)@|,password=([^,\s\"']+)")
"""In a database's address, and in Redis's own form of one."""
SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|credential|access_key|api_?key")
TOKENS_VARIABLE = f"{PREFIX}CALLER_TOKENS"
"""Every text in it is a secret, whatever the caller is called."""
SHORTEST_SECRET = 4
"""What is shorter would hide too much else."""


def hidden_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What nobody is shown: passwords in addresses, and what variables hold that are called key, token, secret or password.

    Addresses and names are looked for inside JSON as well. The longest come first, so that none is hidden in part only.
    """
    values: set[str] = set()

    def look(name: str, value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                look(f"{name} {key}" if name == TOKENS_VARIABLE else str(key), item)
        elif isinstance(value, list):
            for item in value:
                look(name, item)
        elif isinstance(value, str):
            values.update(group for match in PASSWORD_IN_ADDRESS.finditer(value) for group in match.groups() if group)
            if SECRET_NAME.search(name):
                values.add(value)

    for name, text in environment.items():
        try:
            look(name, json.loads(text) if text.lstrip().startswith("{") else text)
        except ValueError:
            look(name, text)  # JSON that is damaged: what can be seen in it as text
    both = values | {unquote(value) for value in values}
    return tuple(sorted((value for value in both if len(value) >= SHORTEST_SECRET), key=len, reverse=True))
