"""The first step of a packed service's process: from here on its code comes from the packed sources alone.

Belongs here: that rule, and starting the module. It is run as a script by path, from outside of the release, so it imports nothing but the
standard library. Does not belong here: anything that a service does.

    python -B -P start.py CODE_FOLDER MODULE ARGUMENTS...

A release's digest is about its sources. Python prefers a compiled file beside a source that claims to be made from it: one that somebody
puts there would run in place of the code that the digest names. Libraries keep theirs; they are not part of the release.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Mapping
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader


class SourceOnlyLoader(SourceFileLoader):
    """Loads a module from its source, whatever compiled file lies beside it."""

    def path_stats(self, path: str) -> Mapping[str, object]:
        """Refuse: without the source's time nothing compiled is read or written."""
        raise OSError(f"{path}: compiled files of a release are not used")


def run_from_sources(code_folder: str, module: str, arguments: list[str]) -> None:
    """Become the module as `python -m` does, importing what lies in the folder from sources only."""
    folder = os.path.realpath(code_folder)

    def finder(path: str) -> FileFinder:
        real = os.path.realpath(path)
        if real != folder and not real.startswith(folder + os.sep):
            raise ImportError(f"{path} is not part of the release", path=path)
        return FileFinder(path, (SourceOnlyLoader, SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.clear()
    sys.path.insert(0, code_folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run_from_sources(sys.argv[1], sys.argv[2], sys.argv[3:])
