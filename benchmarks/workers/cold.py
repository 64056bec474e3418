"""Counts what a first search asks of a store, by reading a local lake as if it were remote."""

from __future__ import annotations

import json
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from fsspec.implementations.local import LocalFileSystem
from library import parse, report
from shapes import FILTER, ORDER, PAGE

from lakeflow.config import Settings
from lakeflow.storage.kinds import kind_of
from lakeflow.storage.lake import Lake
from lakeflow.storage.remote import RemoteFilesystem
from lakeflow.tracking.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable


class CountingFileSystem(LocalFileSystem):
    """A local filesystem that counts requests and bytes as an object store would."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0
        self.bytes = 0

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        data = super().cat_file(path, start, end)
        self.requests += 1
        self.bytes += len(data)
        return data

    def ls(self, path: str, detail: bool = False, **_: Any) -> Any:
        self.requests += 1
        return super().ls(path, detail=detail)


def main() -> None:
    options = parse()
    experiment, curve = json.load(sys.stdin)["experiments"][0], options.run
    with tempfile.TemporaryDirectory() as cache:
        settings = Settings(auto_compact=False, cache_folder=cache)
        counting = CountingFileSystem()
        fs = RemoteFilesystem(
            lambda: counting, options.uri, "counted://lake", kind_of("counted"), settings
        )
        store = Store(Lake.on(fs, settings))

        def spent(call: Callable[[], object]) -> dict[str, int]:
            counting.requests = counting.bytes = 0
            call()
            return {"requests": counting.requests, "bytes": counting.bytes}

        def search() -> None:
            found = store.runs.search([experiment], FILTER, 1, PAGE, ORDER, None, None)
            assert len(found) == PAGE, len(found)

        if curve:
            report({"curve": spent(lambda: store.runs.history(curve, "metric-5"))})
        else:
            report({"cold": spent(search), "again": spent(search)})


if __name__ == "__main__":
    main()
