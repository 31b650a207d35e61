"""`python -m platform_assets.cli`: the command without its installed script.

Belongs here: the call. Does not belong here: anything else (`main.py`).
"""

from platform_assets.cli.main import app

app(prog_name="platform-assets")
