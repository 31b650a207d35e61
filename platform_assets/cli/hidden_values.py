"""What nobody is shown: passwords and tokens that stand in the environment.

Belongs here: finding them. Does not belong here: hiding them in what is printed (`console.py`), or reading settings (`settings.py`).
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote

from platform_assets.settings import LENT_VARIABLE, PREFIX, SECRETS_VARIABLE

PASSWORD_IN_ADDRESS = re.compile(r"://[^\s:/@\"']*:([^\s/\"']+)@|,password=([^,\s\"']+)")
"""In a database's address, and in Redis's own form of one."""
SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|credential|access_key|api_?key")
TOKENS_VARIABLE = f"{PREFIX}CALLER_TOKENS"
"""Every text in it is a secret, whatever the caller is called."""
NO_SECRET = (SECRETS_VARIABLE, LENT_VARIABLE)
"""Where secrets come from, and their names."""
SHORTEST_SECRET = 4
"""What is shorter would hide too much else."""


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def hidden_values(environment: Mapping[str, str], secrets: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """What nobody is shown: passwords in addresses, and what variables hold that are called key, token, secret or password.

    Addresses and names are looked for inside JSON as well. The longest come first, so that none is hidden in part only.

    Args:
        environment: variables.
        secrets: of a source: what is neither an address nor JSON is hidden whatever it is called.
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
        if name in NO_SECRET:
            continue
        try:
            look(name, json.loads(text) if text.lstrip().startswith("{") else text)
        except ValueError:
            look(name, text)  # JSON that is damaged: what can be seen in it as text
    for name, text in secrets.items():
        is_json, is_address = text.lstrip().startswith(("{", "[")), "://" in text or ",password=" in text
        look(name if is_json or is_address else f"{name} secret", _loaded(text) if is_json else text)
    both = values | {unquote(value) for value in values}
    return tuple(sorted((value for value in both if len(value) >= SHORTEST_SECRET), key=len, reverse=True))
