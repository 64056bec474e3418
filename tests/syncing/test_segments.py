"""Copies are written segment by segment, and each is made durable once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.syncing.segments import CopyWriter

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_each_segment_is_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.on(open_filesystem(str(tmp_path / "lake")), Settings())
    synced: list[str] = []
    monkeypatch.setattr(lake.fs, "sync", lambda *paths: synced.extend(paths))
    with CopyWriter(lake) as writer:
        for _ in range(3):
            writer.clock()
            writer.add(b"{}\n")
            writer.finish()
    assert [path.rpartition("/")[2] for path in synced] == [
        f"{number:08d}.jsonl" for number in (1, 2, 3)
    ]
