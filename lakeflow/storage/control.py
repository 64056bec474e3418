"""Small tables that keep something unique: changed by optimistic commits.

Experiments now, the model registry later. Such a table is one Parquet file that every
commit replaces: read version N, check, commit exactly N+1, and on a conflict read and check
again. So two processes can never both take a name.
"""

from __future__ import annotations

import io
import math
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import ConflictError, DamagedLakeError
from lakeflow.ids import new_id
from lakeflow.storage.delta import DataFile, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.storage.filesystem import Filesystem
    from lakeflow.tables import TableSpec

Row = dict[str, Any]
"""One row: value by column."""

_DEADLINE_S = 60.0
_LONGEST_PAUSE_S = 0.25


class ControlTable:
    """Rows of a control table, kept in memory and read again when there is a new version.

    Args:
        fs: The lake's filesystem.
        spec: What the table is.
    """

    def __init__(self, fs: Filesystem, spec: TableSpec) -> None:
        self.table = Table(fs, spec)
        self._fs = fs
        self._lock = threading.RLock()
        self._version = -1
        self._looked_at = -math.inf
        self._rows: list[Row] = []

    def rows(self, max_age_s: float = 0) -> list[Row]:
        """Return the newest rows, sorted; one look at the log if nothing has changed.

        They are shared: copy what is to be changed.

        Args:
            max_age_s: Age of the last look up to which none is taken.
        """
        with self._lock:
            if time.monotonic() - self._looked_at >= max_age_s:
                now = time.monotonic()
                if self._version < 0 or self.table.has_newer(self._version):
                    self._load()
                self._looked_at = now
            return self._rows

    def after_fork(self) -> None:
        """Keep the rows in a forked child, which cannot read them again."""
        self._lock = threading.RLock()
        self.table.after_fork()

    def update(self, change: Callable[[list[Row]], list[Row]]) -> list[Row]:
        """Replace the rows by what a function makes of them, in one commit.

        Args:
            change: Takes the rows and returns all of them as they shall be; raises to
                refuse. It is called again, on newer rows, after a conflict.

        Returns:
            The rows as they were committed.

        Raises:
            ConflictError: Others were first for a whole minute.
        """
        deadline = time.monotonic() + _DEADLINE_S
        pause = 0.005
        while True:
            with self._lock:
                self._load()
                rows = change([dict(row) for row in self._rows])
                try:
                    return self._commit(rows)
                except ConflictError:
                    if time.monotonic() > deadline:
                        raise
            time.sleep(random.uniform(0, pause))
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _load(self) -> None:
        while True:
            version = self.table.version()
            if version == self._version:
                return
            try:
                rows = self._read(version)
            except FileNotFoundError as error:
                if self.table.version() == version:
                    raise DamagedLakeError(
                        f"table {self.table.folder} in {self._fs.uri} lacks a file: {error}",
                        hint="restore it from a backup",
                    ) from error
                continue  # replaced meanwhile
            self._rows, self._version = self._sorted(rows), version
            return

    def _read(self, version: int) -> list[Row]:
        import pyarrow
        import pyarrow.parquet

        rows: list[Row] = []
        for file in self.table.files(version):
            path = f"{self.table.folder}/{file.path}"
            data = self._fs.read(path)
            try:
                opened = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
                # A thread of pyarrow's that still holds a Python object when the interpreter
                # ends aborts the process.
                rows += opened.read(use_threads=False).to_pylist()
            except (OSError, pyarrow.ArrowException) as error:
                raise DamagedLakeError(
                    f"{path} in {self._fs.uri} cannot be read: {error}",
                    hint="restore it from a backup",
                ) from error
        return rows

    def _commit(self, rows: list[Row]) -> list[Row]:
        import pyarrow
        import pyarrow.parquet

        spec = self.table.spec
        rows = self._sorted(rows)
        types = {
            "string": pyarrow.string(),
            "long": pyarrow.int64(),
            "double": pyarrow.float64(),
        }
        schema = pyarrow.schema(
            pyarrow.field(column.name, types[column.type], column.nullable)
            for column in spec.columns
        )
        buffer = io.BytesIO()
        content = pyarrow.Table.from_pylist(rows, schema=schema)
        pyarrow.parquet.write_table(content, buffer, compression="zstd")
        name = f"part-{new_id()}.parquet"
        self._fs.create(f"{self.table.folder}/{name}", buffer.getvalue())
        add = DataFile(name, buffer.tell(), len(rows), {})
        self._version = self.table.commit(self._version, [add], self.table.files(self._version))
        self._rows = rows
        return rows

    def _sorted(self, rows: list[Row]) -> list[Row]:
        sort = self.table.spec.sort
        return sorted(rows, key=lambda row: tuple(row[column] for column in sort))
