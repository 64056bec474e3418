"""Where the files of a version are: as it is stored, and as users see it. Pure."""

from __future__ import annotations

from lakeflow.filesystem.location import canonical

_IN_LAKE = "lake:/"
"""Begins locations inside the lake: they are stored relative to it, so that it may move."""

_SCHEMES = ("lakeflow:", "lakeflow+")


def stored(root: str, source: str) -> str:
    """Return a location as it is stored.

    Args:
        root: Where the lake is.
        source: The location.
    """
    # MLflow has a location in a lake with a scheme before it.
    location = canonical(source) if source.startswith(_SCHEMES) else source
    inside = location.startswith(f"{root}/")
    return f"{_IN_LAKE}{location[len(root) + 1 :]}" if inside else source


def resolved(root: str, location: str) -> str:
    """Return a location as users see it; see ``stored``."""
    inside = location.startswith(_IN_LAKE)
    return f"{root}/{location.removeprefix(_IN_LAKE)}" if inside else location
