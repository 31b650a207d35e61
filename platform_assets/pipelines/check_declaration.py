"""Whether a declaration can be loaded and run: what every way of loading one asks first.

Belongs here: reading a file, whether it has a name of its own, and whether its history is long enough for its folds. Does not belong
here: the rules of the language (`declaration/`), or looking at data.
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import load_use_case, problem_at, require_name_of_its_own
from platform_assets.declaration.problems import DeclarationError
from platform_assets.pipelines.timeline import plan


def check_declaration(path: Path) -> UseCase:
    """The use case of a file, or of a folder with a `defs.yaml`.

    Raises:
        DeclarationError: it does not load, a folder beside it has its name, or its history is too short for its folds, so that no run
            could train.
    """
    use_case = load_use_case(path)
    require_name_of_its_own(use_case, path if path.is_dir() else path.parent)
    if use_case.history.last_day is None:
        return use_case  # one that goes on will be long enough some day
    try:
        plan(use_case)
    except ValueError as error:
        raise DeclarationError([problem_at(path, ("history",), str(error))]) from error
    return use_case
