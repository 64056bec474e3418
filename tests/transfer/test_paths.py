"""Paths of artifacts stay below the folder of their run, whatever is given."""

from __future__ import annotations

import os
import posixpath
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow.exceptions import InvalidInputError
from lakeflow.transfer import paths

ELSEWHERE = {
    "up": "../a",
    "up and down": "a/../../b",
    "only up": "..",
    "absolute": "/etc/passwd",
    "backslashes": "a\\..\\b",
    "a drive": "C:/windows",
    "a drive below": "a/c:stream",
    "NUL": "a\0b",
    "a new line": "a\nb",
    "an escape": "a\x1b[31m",
    "half a character": "a\udcff",
}


@pytest.mark.parametrize("path", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_a_path_that_leads_elsewhere_is_refused_by_name(path: str) -> None:
    for check in (paths.checked, paths.normal):
        with pytest.raises(InvalidInputError, match="Invalid artifact path") as caught:
            check(path, "artifact_path")
        assert "artifact_path" in caught.value.message


@pytest.mark.parametrize(
    "path", ["a%2e%2e/b", "ä/é", "A/a", "con", "x" * 255, ".git", "a b", "-rf"]
)
def test_an_odd_name_is_kept_exactly(path: str) -> None:
    assert paths.checked(path, "path") == paths.normal(path, "path") == path


@pytest.mark.parametrize("path", ["./a", "a//b", "a/", ".", "a/./b", "a/b/.."])
def test_a_folder_is_to_be_spelt_shortly(path: str) -> None:
    with pytest.raises(InvalidInputError, match="did you mean"):
        paths.checked(path, "artifact_path")


def test_the_path_of_a_file_is_made_short() -> None:
    assert paths.normal("a/../b.txt", "artifact_file") == "b.txt"
    assert paths.normal("./b.txt", "artifact_file") == "b.txt"
    for nothing in ("", ".", "a/..", "a/"):
        with pytest.raises(InvalidInputError, match="names no file"):
            paths.normal(nothing, "artifact_file")


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no text"):
        paths.checked(b"a", "artifact_path")
    assert paths.checked(None, "artifact_path") == ""
    with pytest.raises(InvalidInputError, match="artifact_file is '', which names no file"):
        paths.normal(None, "artifact_file")  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(["..", ".", "", "a", "/", "\\", "C:", "\0", "ü", "b"])))
def test_what_is_safe_is_below_on_every_system(parts: list[str]) -> None:
    path = "/".join(parts)
    if paths.is_safe(path):
        assert os.path.normpath(posixpath.join("/dst", path)).startswith("/dst/")
        assert not PurePosixPath(path).is_absolute()
        assert not PureWindowsPath(path).anchor
        assert ".." not in PureWindowsPath(path).parts
