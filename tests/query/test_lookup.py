"""Documents by id: which row groups are read of which files."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow
import pyarrow.parquet
import pytest
from fsspec.implementations.local import LocalFileSystem

from lakeflow.query.lookup import Lookup

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 640
GROUP = 10


def ids(count: int = ROWS) -> list[str]:
    return [f"{number:032x}" for number in range(count)]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Return five files of small row groups, one after another."""
    return [written(tmp_path / f"{n}.parquet", ids()[n::5]) for n in range(5)]


def written(path: Path, run_ids: list[str]) -> str:
    table = pyarrow.table({"run_id": run_ids, "document": [f"of {each}" for each in run_ids]})
    pyarrow.parquet.write_table(table, path, row_group_size=GROUP)
    return str(path)


def test_documents_come_out_of_several_files(files: list[str]) -> None:
    wanted = [*ids()[::7], "no such run"]
    found = Lookup().documents(files, wanted)
    assert found == {run_id: f"of {run_id}" for run_id in wanted[:-1]}


@pytest.mark.parametrize("is_remote", [False, True])
def test_many_row_groups_of_one_file_are_read_by_several_threads(
    tmp_path: Path, is_remote: bool
) -> None:
    path = written(tmp_path / "one.parquet", ids(10 * ROWS))
    lookup = Lookup(LocalFileSystem() if is_remote else None)
    for first in range(3):
        wanted = ids(10 * ROWS)[first::7]
        assert lookup.documents([path], wanted) == {each: f"of {each}" for each in wanted}


def test_few_statistics_are_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path / "sorted.parquet", ids())
    lookup = Lookup()
    assert lookup.documents([path], [ids()[333]]) == {ids()[333]: f"of {ids()[333]}"}
    assert len(lookup._open(path)._known) < 10
    assert lookup._open(path).likely([ids()[333]]) == {33}
    assert lookup._open(path).likely(["no such run"]) == set()


def test_a_file_in_another_order_is_read_too(tmp_path: Path) -> None:
    path = written(tmp_path / "reversed.parquet", ids()[::-1])
    wanted = ids()[5::100]
    found = Lookup().documents([path], wanted)
    assert found == {run_id: f"of {run_id}" for run_id in wanted}


def test_a_look_up_imports_neither_pandas_nor_compute(files: list[str]) -> None:
    program = (
        "import sys\n"
        "from lakeflow.query.columns import column, table\n"
        "from lakeflow.query.lookup import Lookup\n"
        "found = Lookup().documents(sys.argv[2:], [sys.argv[1]])\n"
        "table({'a': column('string', ['x', None])})\n"
        "print(len(found), *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, ids()[1], *files],
        capture_output=True,
        text=True,
        check=True,
    )
    count, *modules = done.stdout.split()
    assert count == "1"
    assert not {"pandas", "pyarrow.compute"} & set(modules)
