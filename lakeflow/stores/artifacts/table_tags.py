"""The tag of a run that names its tables, as MLflow reads and writes it. Pure."""

from __future__ import annotations

import json
import posixpath
from typing import Any


def listed(text: str) -> list[Any] | None:
    """Return the entries of the tag; None where it is no list in JSON."""
    # Anybody may set the tag: JSON that is nested too deeply is no ValueError.
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def has_table(text: str | None, path: str) -> bool:
    """Return whether the tag names a table.

    Args:
        text: The tag; None where the run has none.
        path: Path of the table, in its shortest spelling.
    """
    return any(
        isinstance(entry, dict)
        and entry.get("type") == "table"
        and posixpath.normpath(str(entry.get("path"))) == path
        for entry in listed(text or "") or ()
    )
