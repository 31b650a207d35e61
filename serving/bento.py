"""The entry point that BentoML imports inside a built Bento.

Belongs here: nothing but the service of the release that lies next to the code. Does not belong here: anything that
another module imports.
"""

from pathlib import Path

from serving.release import read_release
from serving.service import make_service

CODE_FOLDER = Path(__file__).resolve().parents[1]

service = make_service(read_release(CODE_FOLDER / "release"), CODE_FOLDER)
