"""A store that makes a file more than once is found out before a lake is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lakeflow.exceptions import StorageError
from lakeflow.lake import Lake
from lakeflow.testing.flaky import FlakyFileSystem, lake_filesystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.config import Settings


class Overwriting(MemoryFileSystem):
    """A store that does not know the condition and says nothing."""

    cachable = False
    protocol = "overwriting"

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        super().pipe_file(path, value)


def test_a_store_that_ignores_the_condition_is_refused_at_the_first_write(
    tmp_path: Path, settings_of: Callable[..., Settings]
) -> None:
    flaky = FlakyFileSystem(Overwriting())
    settings = settings_of()
    for _ in range(2):
        fs = lake_filesystem(flaky, str(tmp_path), settings)
        with pytest.raises(StorageError, match=r"8 writers(.|\n)*If-None-Match") as caught:
            Lake.on(fs, settings)
        assert caught.value.error_code == "NOT_IMPLEMENTED"
        with pytest.raises(StorageError, match="cannot be written"):
            fs.create("log/w/00000001.jsonl", b"{}\n")
        assert fs.sizes("") == {}, "it leaves nothing behind"


def test_a_store_whose_winner_is_overwritten_is_refused(
    tmp_path: Path, settings_of: Callable[..., Settings]
) -> None:
    class Forgetful(Overwriting):
        """One is told that it won; another one's content is there."""

        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
            known = self.exists(path)
            super().pipe_file(path, value)
            if known and mode == "create":
                raise FileExistsError(path)

    fs = lake_filesystem(FlakyFileSystem(Forgetful()), str(tmp_path), settings_of())
    with pytest.raises(StorageError, match="cannot be written"):
        fs.create("a", b"x")


def test_a_process_that_writes_alone_needs_no_condition(
    tmp_path: Path, settings_of: Callable[..., Settings]
) -> None:
    settings = settings_of(exclusive_writer=True)
    fs = lake_filesystem(FlakyFileSystem(Overwriting()), str(tmp_path), settings)
    Lake.on(fs, settings)
    with pytest.raises(FileExistsError):
        fs.create("lake.json", b"{}")
    assert fs.list("probes") == []


def test_a_lake_remembers_that_its_store_was_tried(
    tmp_path: Path, settings_of: Callable[..., Settings]
) -> None:
    flaky = FlakyFileSystem(MemoryFileSystem())
    lake_filesystem(flaky, str(tmp_path), settings_of()).create("a", b"x")
    first = flaky.calls["pipe_file"]
    assert first == 4 * 8 + 2, "four races of eight, the marker, and the file"
    again = lake_filesystem(flaky, str(tmp_path), settings_of())
    again.create("b", b"x")
    again.create("c", b"x")
    assert flaky.calls["pipe_file"] - first == 2
    (marker,) = again.list("probes")
    assert marker.name.endswith(".json")
    assert b"FlakyFileSystem" in again.read(f"probes/{marker.name}")
