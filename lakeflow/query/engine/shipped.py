"""SQL that is shipped as files, in the folder ``sql``."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def shipped(folder: str, name: str) -> str:
    """Return the text of ``sql/<folder>/<name>.sql``."""
    # The wheel has the folder ``sql`` beside this module, and a checkout at its root.
    beside = Path(__file__).parent / "sql"
    root = beside if beside.is_dir() else Path(__file__).parents[3] / "sql"
    return (root / folder / f"{name}.sql").read_text()
