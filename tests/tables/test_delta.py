"""Tables as Delta: how they begin, and what looking at an empty one takes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import deltalake
import pytest

from lakeflow.exceptions import ConflictError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.schema import RUNS
from lakeflow.tables.data_file import DataFile
from lakeflow.tables.delta import CHECKPOINT_EVERY, Table
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = itertools.count()


@pytest.fixture
def fs() -> FaultFilesystem:
    return FaultFilesystem(open_filesystem(f"memory://delta-{next(_NUMBERS)}"))


def test_one_of_two_that_make_a_table_has_made_it(fs: FaultFilesystem) -> None:
    one, two = Table(fs, RUNS), Table(fs, RUNS)
    assert [one.create(is_known_to_be_new=True), two.create(is_known_to_be_new=True)] == [
        True,
        False,
    ]
    assert two.create() is False
    for table in (one, two):
        assert (table.version(), table.mark(), table.files()) == (0, 0, ())
    added = DataFile("a.parquet", 10, 1)
    assert one.commit(0, [added], [], mark=7) == 1
    with pytest.raises(ConflictError):
        two.commit(0, [added], [], mark=7)
    assert (two.version(), two.mark(), two.files(0)) == (1, 7, ())
    assert [file.path for file in two.files()] == ["a.parquet"]


def test_a_table_whose_first_commits_are_gone_is_not_made_anew(fs: FaultFilesystem) -> None:
    table = Table(fs, RUNS)
    table.create()
    for version in range(CHECKPOINT_EVERY):
        assert table.version() == version
        table.commit(version, [DataFile(f"{version}.parquet", 10, 1)], [])
    for path in table.past_log(before_s=2**40):
        fs.delete(path)
    assert not fs.exists(table.commit_path(0))
    later = Table(fs, RUNS)
    assert later.create() is False
    assert len(later.files()) == CHECKPOINT_EVERY
    assert not fs.exists(table.commit_path(0))


def test_an_empty_table_is_a_file_written_and_a_look(fs: FaultFilesystem) -> None:
    table = Table(fs, RUNS)
    table.create(is_known_to_be_new=True)
    assert fs.calls == {"create": 1}
    fs.calls.clear()
    assert (table.version(), table.mark(), table.files()) == (0, 0, ())
    # For the next commit, by version() and by files().
    assert fs.calls == {"read": 2}
    fs.calls.clear()
    found = Table(fs, RUNS)
    assert (found.create(), found.version()) == (False, 0)
    assert fs.calls == {"list": 1, "read": 2}


def test_what_a_table_begins_with_says_what_it_is(tmp_path: Path) -> None:
    Table(open_filesystem(str(tmp_path)), RUNS).create()
    found = deltalake.DeltaTable(tmp_path / "tables" / RUNS.name)
    assert found.metadata().description == RUNS.comment
    assert (found.protocol().min_reader_version, found.protocol().min_writer_version) == (1, 2)
    fields = {field.name: field for field in found.schema().fields}
    assert {name: field.nullable for name, field in fields.items()} == {
        column.name: column.nullable for column in RUNS.columns
    }
    assert all(field.metadata["comment"] for field in fields.values())
