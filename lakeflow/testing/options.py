"""Options of pytest for the contract suite: an entry point, as they come before the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the location to test."""
    group = parser.getgroup("lakeflow")
    group.addoption(
        "--lake-url",
        default="memory://contracts",
        help="folder whose filesystem is tested; each test makes a folder below it",
    )
    group.addoption(
        "--lake-options", default="{}", help="fsspec's options for the filesystem, as JSON"
    )
