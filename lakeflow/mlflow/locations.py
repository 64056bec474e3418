"""Locations as MLflow is told them: URIs with one of the schemes of this package. Pure."""

from __future__ import annotations

from urllib.parse import quote


def is_lakeflow(uri: str) -> bool:
    """Return whether a URI has one of the schemes of this package."""
    return uri.lower().startswith(("lakeflow:", "lakeflow+"))


def shown(location: str, lake: str) -> str:
    """Return the URI of a location; one that is not within the lake stays as it is.

    MLflow would give a plain path to its own repository of local files, and of what that
    writes nothing would be recorded.

    Args:
        location: A location of artifacts, as the stores return it.
        lake: The location of the lake.

    Examples:
        >>> shown("/data/my lake/artifacts/1", "/data/my lake")
        'lakeflow:///data/my%20lake/artifacts/1'
        >>> shown("s3://team/lake/artifacts/1", "s3://team/lake")
        'lakeflow+s3://team/lake/artifacts/1'
        >>> shown("s3://elsewhere/1", "s3://team/lake")
        's3://elsewhere/1'
    """
    if location != lake and not location.startswith(f"{lake.rstrip('/')}/"):
        return location
    # Only a path is unquoted when the URI is read.
    return f"lakeflow://{quote(location)}" if location[0] == "/" else f"lakeflow+{location}"
