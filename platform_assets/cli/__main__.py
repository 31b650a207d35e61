"""`python -m platform_assets.cli`: the command without its installed script.

Belongs here: nothing but the call.
"""

from platform_assets.cli.main import app

app(prog_name="platform-assets")
