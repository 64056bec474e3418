"""Experiments as rows of one Parquet file that each commit replaces, as lakes had them once.

Read version N of the Delta table, check the name, commit exactly N+1; where somebody else has
done so, read and check again.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow
import pyarrow.parquet
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction
from library import parse, report
from make_experiments import serve

COLUMNS = {
    "experiment_id": "string",
    "name": "string",
    "artifact_location": "string",
    "lifecycle_stage": "string",
    "creation_time": "long",
    "last_update_time": "long",
}
TYPES = {"string": pyarrow.string(), "long": pyarrow.int64()}
SCHEMA = pyarrow.schema(
    pyarrow.field(name, TYPES[kind], False) for name, kind in COLUMNS.items()
)
FIRST_PAUSE_S, LONGEST_PAUSE_S, DEADLINE_S = 0.005, 0.25, 60.0
CHECKPOINT_EVERY = 10


class TakenError(Exception):
    """There is an experiment of that name."""


class OneFile:
    """The table; made if there is none.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not DeltaTable.is_deltatable(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
            fields = [
                {"name": name, "type": kind, "nullable": False, "metadata": {}}
                for name, kind in COLUMNS.items()
            ]
            schema = Schema.from_json(json.dumps({"type": "struct", "fields": fields}))
            DeltaTable.create(str(folder), schema, mode="error")
        self._table = DeltaTable(str(folder))
        self._version = -1
        self._files: list[tuple[str, int]] = []
        self._rows: list[dict[str, Any]] = []

    def make(self, name: str) -> str:
        """Make an experiment and return its id.

        Raises:
            TakenError: There is one of that name.
            CommitFailedError: Others were first for a whole minute.
        """
        deadline, pause_s = time.monotonic() + DEADLINE_S, FIRST_PAUSE_S
        while True:
            rows = self.rows()
            if any(row["name"] == name for row in rows):
                raise TakenError(name)
            made = str(max((int(row["experiment_id"]) for row in rows), default=-1) + 1)
            now = time.time_ns() // 1_000_000
            values = (made, name, f"artifacts/{made}", "active", now, now)
            try:
                self._commit([*rows, dict(zip(COLUMNS, values, strict=True))])
            except CommitFailedError:
                if time.monotonic() > deadline:
                    raise
                self._table = DeltaTable(str(self._folder))
            else:
                return made
            time.sleep(random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def rows(self) -> list[dict[str, Any]]:
        """Return what the newest version holds."""
        self._table.update_incremental()
        if self._table.version() != self._version:
            actions = self._table.get_add_actions(flatten=True)
            columns = (actions[name].to_pylist() for name in ("path", "size_bytes"))
            self._files = list(zip(*columns, strict=True))
            self._rows = []
            for path, _ in self._files:
                data = pyarrow.BufferReader((self._folder / path).read_bytes())
                file = pyarrow.parquet.ParquetFile(data)
                self._rows += file.read(use_threads=False).to_pylist()
            self._version = self._table.version()
        return self._rows

    def _commit(self, rows: list[dict[str, Any]]) -> None:
        buffer = io.BytesIO()
        content = pyarrow.Table.from_pylist(rows, schema=SCHEMA)
        pyarrow.parquet.write_table(content, buffer, compression="zstd")
        path, now = f"part-{uuid4().hex}.parquet", time.time_ns() // 1_000_000
        self._create(path, buffer.getvalue())
        statistics = json.dumps({"numRecords": len(rows)})
        self._table.create_write_transaction(
            [
                *[RemoveAction(old, True, now, size) for old, size in self._files],
                AddAction(path, buffer.tell(), {}, now, True, statistics),
            ],
            "append",
            self._table.schema(),
            [],
            commit_properties=CommitProperties(max_commit_retries=0),
            post_commithook_properties=PostCommitHookProperties(
                create_checkpoint=False, cleanup_expired_logs=False
            ),
        )
        self._version += 1
        self._files, self._rows = [(path, buffer.tell())], rows
        if self._version % CHECKPOINT_EVERY == 0:
            with contextlib.suppress(DeltaError, OSError):
                self._table.create_checkpoint()

    def _create(self, path: str, data: bytes) -> None:
        """Write a file as lakes write all of those that are to be there whole."""
        temporary = self._folder / f".{path}"
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, self._folder / path)
        temporary.unlink()


def main() -> None:
    options = parse(number=0)
    table = OneFile(Path(options.uri))
    if options.step == "found":
        report([[row["experiment_id"], row["name"]] for row in table.rows()])
    else:
        serve(options.number, table.make, TakenError)


if __name__ == "__main__":
    main()
    # deltalake's threads abort some processes on their way out, with the answer given.
    os._exit(0)
