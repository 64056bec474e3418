"""Folders that are links, and lines of points, in a file store that is made by hand."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from importing.reading import held_by

from lakeflow.importing import from_mlflow
from lakeflow.importing.model_items import LoggedModelItem
from lakeflow.importing.sources.mlflow import folders
from lakeflow.importing.sources.mlflow.files import MlflowFiles

if TYPE_CHECKING:
    from pathlib import Path

    from lakeflow.importing.items import Problem


def experiment(folder: Path) -> Path:
    """Make the folder of an experiment; returns it."""
    folder.mkdir(parents=True)
    (folder / "meta.yaml").write_text(f"name: {folder.name}\nlifecycle_stage: active\n")
    return folder


def run(folder: Path) -> Path:
    """Make the folder of a run with a point; returns it."""
    (folder / "metrics").mkdir(parents=True)
    (folder / "meta.yaml").write_text(f"run_name: {folder.name}\nstart_time: 1\nstatus: 3\n")
    (folder / "metrics" / "loss").write_text("1 0.5 0\n")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    experiment(tmp_path / "mlruns" / "0")
    return tmp_path / "mlruns"


def test_folders_that_are_links_are_read_as_mlflow_reads_them(
    root: Path, tmp_path: Path
) -> None:
    away = experiment(tmp_path / "disk" / "1")
    run(away / ("a" * 32))
    (root / "1").symlink_to(away)
    (root / "0" / ("b" * 32)).symlink_to(run(tmp_path / "disk" / ("b" * 32)))
    held = held_by(MlflowFiles(str(root)))
    assert held.values("a" * 32, "loss") == held.values("b" * 32, "loss") == [0.5]
    assert held.problems == []


def test_links_that_lead_back_or_to_nothing_are_told(root: Path, tmp_path: Path) -> None:
    run(root / "0" / ("a" * 32))
    for link, target in (
        ("2", tmp_path / "gone"), ("3", root), ("0/b", tmp_path), ("0/c", root / "0"),
        ("0/d", root / "0" / "d"),
    ):  # fmt: skip
        (root / link).symlink_to(target)
    held = held_by(MlflowFiles(str(root)))
    assert {*held.runs} == {"a" * 32}
    assert {each.where for each in held.problems if each.is_loss} == {
        str(root / link) for link in ("2", "3", "0/b", "0/c", "0/d")
    }
    assert len(held.problems) == 5


def test_names_of_datasets_are_whole_wherever_a_block_ends(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_BYTES_A_CHUNK", 8)
    monkeypatch.setattr(folders, "_LONGEST_LINE", 100)
    (root / "0/models/m-1/metrics").mkdir(parents=True)
    named = [f"Größe{number}" for number in range(9)]
    lines = "".join(f"{number} 0.5 0 r {name} 1\n" for number, name in enumerate(named))
    (root / "0/models/m-1/metrics/acc").write_text(lines)
    (root / "0/models/m-1/metrics/endless").write_bytes(b"x" * 1_000)
    source = MlflowFiles(str(root))
    told: list[Problem] = []
    source.report_to(told.append)
    [*source.experiments()]
    model = LoggedModelItem("m-1", "0", "net", 1, 1, "/there")
    (points,) = source.model_points(model)
    assert [each.dataset_name for each in points] == named
    assert [each.where for each in told] == [str(root / "0/models/m-1/metrics/endless")]


def test_a_dry_run_counts_what_comes_twice_as_an_import_does(
    root: Path, tmp_path: Path
) -> None:
    run(root / "0" / ("a" * 32))
    # A copy that has the name of the first one, and one of its runs.
    shutil.copytree(root / "0", root / "1")
    run(root / "1" / ("b" * 32))
    tried, real = (
        from_mlflow(str(root), str(tmp_path / "lake"), dry_run=is_dry)
        for is_dry in (True, False)
    )
    counts, others = (
        {name: each.source.count for name, each in report.tables.items() if each.source.count}
        for report in (tried, real)
    )
    assert counts == others == {"experiments": 1, "runs": 2, "metrics": 2}
    assert tried.problems == real.problems
    assert tried.loss_count == 1
