"""Locations as MLflow is told them: URIs with one of the schemes of this package. Pure."""

from __future__ import annotations

from urllib.parse import quote


def is_lakeflow(uri: str) -> bool:
    """Return whether a URI has one of the schemes of this package."""
    return uri.lower().startswith(("lakeflow:", "lakeflow+"))


def lake_uri(location: str) -> str:
    """Return a canonical location as the URI for which MLflow calls lakeflow.

    Examples:
        >>> lake_uri("/data/my lake/artifacts/0"), lake_uri("s3://team/lake")
        ('lakeflow:///data/my%20lake/artifacts/0', 'lakeflow+s3://team/lake')
    """
    return f"lakeflow+{location}" if "://" in location else f"lakeflow://{quote(location)}"
