"""SQL that is shipped as files, in the folder ``sql``."""

from __future__ import annotations

import os
from functools import cache


@cache
def shipped(folder: str, name: str) -> str:
    """Return the text of ``sql/<folder>/<name>.sql``."""
    # The wheel has the folder ``sql`` beside this module, and a checkout at its root.
    here = os.path.dirname(__file__)
    beside = os.path.join(here, "sql")
    root = beside if os.path.isdir(beside) else os.path.join(here, "../../../sql")
    with open(os.path.join(root, folder, f"{name}.sql"), encoding="utf-8") as file:
        return file.read()
