"""Counts what first reads ask of a store, by reading a local lake as if it were remote."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
from fsspec.implementations.local import LocalFileSystem
from library import parse, report
from shapes import FILTER, ORDER, PAGE

from lakeflow.config import Settings
from lakeflow.filesystem.backends import Backend
from lakeflow.filesystem.remote import RemoteFilesystem
from lakeflow.lake import Lake
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "metric-5"
LISTED_AT_ONCE = 1000


class CountingFileSystem(LocalFileSystem):
    """A local filesystem that counts requests and bytes as an object store would."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0
        self.bytes = 0

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        self.requests += 1  # also where there is nothing
        data = super().cat_file(path, start, end)
        self.bytes += len(data)
        return data

    def ls(self, path: str, detail: bool = False, **_: Any) -> Any:
        self.requests += 1
        return super().ls(path, detail=detail)

    def find(self, path: str, *arguments: Any, **options: Any) -> Any:
        """Look at each folder, but count what a store asks for that has none."""
        before = self.requests
        found = super().find(path, *arguments, **options)
        self.requests = before + max(1, math.ceil(len(found) / LISTED_AT_ONCE))
        return found


@contextlib.contextmanager
def counted(root: str) -> Iterator[tuple[Store, CountingFileSystem]]:
    """Give the lake in a folder as if it were on a store, and what counts its requests."""
    with tempfile.TemporaryDirectory() as cache:
        settings = Settings(auto_compact=False, cache_folder=cache)
        counting = CountingFileSystem()
        backend = Backend("a counting store", has_folders=False)
        fs = RemoteFilesystem(lambda: counting, root, "counted://lake", backend, settings)
        yield Store(Lake.on(fs, settings)), counting


def main() -> None:
    options = parse()
    places = json.load(sys.stdin)
    experiment, run = places["experiments"][0], places["runs"][0]
    with counted(options.uri) as (store, counting):

        def spent(call: Callable[[], object]) -> dict[str, int]:
            counting.requests = counting.bytes = 0
            call()
            return {"requests": counting.requests, "bytes": counting.bytes}

        def search() -> None:
            found = store.runs.search([experiment], FILTER, max_results=PAGE, order_by=ORDER)
            assert len(found) == PAGE, len(found)

        if options.step == "curve":
            found = spent(lambda: store.runs.history_table(run, KEY))
            report(found | {"chunks": chunks(store.lake, options.uri, run)})
        else:
            report({"cold": spent(search), "again": spent(search)})


def chunks(lake: Lake, root: str, run: str) -> int:
    """Return the size of the row groups that may hold a curve, compressed."""
    size = 0
    for file in lake.files("metrics", lake.fold(), run_id=[run]):
        path = f"{root}/{lake.tables['metrics'].folder}/{file.path}"
        metadata = pyarrow.parquet.read_metadata(path)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            columns = [group.column(index) for index in range(group.num_columns)]
            bounds = {each.path_in_schema: each.statistics for each in columns}
            if all(
                bounds[name].min <= value <= bounds[name].max
                for name, value in (("run_id", run), ("key", KEY))
            ):
                size += sum(each.total_compressed_size for each in columns)
    return size


if __name__ == "__main__":
    main()
