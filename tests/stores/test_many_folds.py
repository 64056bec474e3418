"""What a reader looks at does not grow with the folds that are on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakeflow import LakeflowClient
from lakeflow.filesystem import local_create
from lakeflow.filesystem.local import LocalFilesystem
from lakeflow.maintenance.compact import compact_lake
from lakeflow.tables.folds import FOLDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.filesystem.interface import Entry
    from lakeflow.stores.store import Store


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the folders that are listed from now on."""
    usual, found = LocalFilesystem.list, []

    def noted(fs: LocalFilesystem, path: str) -> list[Entry]:
        found.append(path)
        return usual(fs, path)

    monkeypatch.setattr(LocalFilesystem, "list", noted)
    return found


def test_folds_are_listed_once_until_another_one_comes(
    another_process: Callable[..., Store],
    tmp_path: Path,
    listed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    folding = another_process(str(tmp_path / "lake"))

    def read(value: float) -> int:
        del listed[:]
        for _ in range(3):
            assert client.get_run(run_id).data.metrics == {"loss": value}
            assert len(client.search_runs(["0"], f"metrics.loss = {value}")) == 1
            assert client.get_metric_history(run_id, "loss")[-1].value == value
        return listed.count(FOLDS)

    monkeypatch.setattr(local_create, "SETTLED_S", 0.0)
    for value in (1.0, 2.0, 3.0):
        folding.runs.log_metric(run_id, "loss", value, 1, int(value))
        compact_lake(folding.lake)
        assert read(value) <= 1
        assert read(value) == 0
    # As long as another change might have the same time, nothing is believed.
    monkeypatch.setattr(local_create, "SETTLED_S", 3600.0)
    assert read(3.0) > 1
