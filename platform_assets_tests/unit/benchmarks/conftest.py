"""Lets the tests import `benchmarks`, which is part of the repository but not of the installed packages.

Belongs here: that alone. Does not belong here: fixtures of one test file.
"""

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
