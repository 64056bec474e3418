"""Tables that are logged: a file that grows by rows, and a tag that says where it is."""

from __future__ import annotations

import json
import os
import posixpath
import uuid
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import temporary
from lakeflow.entities import tag_names
from lakeflow.exceptions import InvalidInputError, InvalidStateError
from lakeflow.media import json_tables, parquet_tables, table_images, tables
from lakeflow.media.json_tables import TAIL
from lakeflow.stores.artifacts import table_tags
from lakeflow.stores.artifacts.recorded import Label
from lakeflow.stores.artifacts.table_turns import TableTurns
from lakeflow.transfer import paths, sending
from lakeflow.transfer.sending import Sent, digest_of

if TYPE_CHECKING:
    from lakeflow.lake import Lake
    from lakeflow.media.tables import Table
    from lakeflow.stores.artifacts.files import ArtifactStore
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.run_heads import RunHeads

_FORBIDDEN = "\"',:[]{}"
_ENDS = (".json", ".parquet")

_MOST_REMEMBERED = 1_000


class _Written(NamedTuple):
    """What this process knows of a file that it has written.

    Attributes:
        identity: What tells the file from every other one that may be in its place.
        size: Bytes.
        sha256: Digest of its content.
        head: What is before its rows; empty where it is read and written anew each time.
        has_rows: Whether there are any.
        digest: Digest of its content without its tail, which goes on with the next rows.
    """

    identity: object
    size: int
    sha256: str
    head: bytes
    has_rows: bool
    digest: Any


class TableStore:
    """The tables of a lake's runs; threads share it.

    Args:
        lake: The lake.
        heads: What is remembered of its runs.
        reader: What reads them.
        artifacts: The files beside them.
    """

    def __init__(
        self, lake: Lake, heads: RunHeads, reader: Reader, artifacts: ArtifactStore
    ) -> None:
        self._lake = lake
        self._heads = heads
        self._reader = reader
        self._artifacts = artifacts
        self._turns = TableTurns(lake)
        self._written: OrderedDict[str, _Written] = OrderedDict()

    def log(self, run_id: str, data: Any, artifact_file: Any) -> None:
        """Log rows; see ``LakeflowClient.log_table``."""
        path = checked_path(artifact_file)
        table = tables.table_of(data)
        images = table_images.image_columns(table)
        # First of all: a table that is not taken leaves no images behind.
        self._heads.active(run_id)
        if images:
            # For its error: no images are sent for a table whose tag cannot be set.
            self._tags(run_id, path)
            # Outside the turn: to send them may take long, and nobody else has their names.
            table = self._with_images(run_id, path, table, images)
        with self._turns.turn(run_id):
            head, place = self._artifacts.place(run_id)
            # Read and set in one turn, so that no call loses the entry of another one.
            tags = self._tags(run_id, path)
            sent = self._saved(run_id, place, path, table)
            try:
                self._artifacts.record(head, place, [sent], Label("table"), tags)
            except BaseException:
                # The next call looks whether the rows are there, and does not repeat them.
                self._written.pop(place.full(path), None)
                raise

    def _with_images(self, run_id: str, path: str, table: Table, columns: list[int]) -> Table:
        """Log the images in a table, and return it with their paths instead."""
        around = posixpath.join("table_images", posixpath.splitext(path)[0])
        with temporary.folder("table") as folder:
            for index in columns:
                cells = []
                for image in table.columns[index]:
                    name = str(uuid.uuid4())
                    with self._lake.fs.errors("save an image in", folder):
                        table_images.save(image, os.path.join(folder, name))
                    cells.append(table_images.cell(posixpath.join(around, name)))
                table = table.with_column(index, cells)
            # For its error: nor are they for one that no file can hold.
            _form(path).saved(None, table)
            images = sending.files_below(folder, around)
            self._artifacts.log_files(run_id, images, Label("image"))
        return table

    def _tags(self, run_id: str, path: str) -> dict[str, str]:
        """Return the tag to set so that it names a table; none where it does already."""
        text = self._reader.run(run_id).tags.get(tag_names.LOGGED_ARTIFACTS, "[]")
        known = table_tags.listed(text)
        if known is None:
            raise InvalidStateError(
                f"the tag {tag_names.LOGGED_ARTIFACTS} of run {run_id} is no list in JSON: "
                f"{text!r}",
                hint="somebody has set it by hand; delete it with delete_tag",
            )
        if table_tags.has_table(text, path):
            return {}
        entry = {"path": path, "type": "table"}
        return {tag_names.LOGGED_ARTIFACTS: json.dumps([*known, entry])}

    def load(
        self,
        experiment_id: str,
        artifact_file: Any,
        run_ids: list[str] | None = None,
        extra_columns: list[str] | None = None,
    ) -> Any:
        """Return the rows of many runs; see ``LakeflowClient.load_table``."""
        # Loads sqlglot and pandas, which a job that only logs does not need.
        from lakeflow.stores.artifacts.loaded_tables import load

        path = checked_path(artifact_file)
        return load(
            self._lake,
            self._reader,
            self._artifacts.places,
            experiment_id,
            path,
            run_ids,
            extra_columns,
        )

    def _saved(self, run_id: str, place: Place, path: str, table: Table) -> Sent:
        form, full = _form(path), place.full(path)
        entry = place.fs.entry(full)
        if entry is None:
            return self._put(place, path, form.saved(None, table))
        known = self._written.get(full)
        if known and known.head and known.identity == _identity(place, full, entry.size):
            # None of the file is read, nor is its digest computed anew.
            rows = json_tables.more(known.head, table.names, table.values())
            if rows is not None:
                return self._extended(place, path, known, rows)
        content = place.fs.read(full)
        try:
            if self._is_unrecorded(run_id, path, content, known, table):
                return Sent(path, len(content), digest_of(content))
            return self._put(place, path, form.saved(content, table))
        # It is a ValueError too, and says itself what is wrong.
        except InvalidInputError:
            raise
        except ValueError as error:
            raise InvalidInputError(
                f"{full} in {place.fs.uri} is there and is no table, so that no rows can be "
                f"added to it: {error}",
                hint="log to another artifact_file",
            ) from error

    def _extended(self, place: Place, path: str, known: _Written, rows: bytes) -> Sent:
        if not rows:
            return Sent(path, known.size, known.sha256)
        full, more = place.full(path), b"," * known.has_rows + rows
        place.fs.extend(full, known.size - len(TAIL), more + TAIL)
        digest = known.digest.copy()
        digest.update(more)
        return self._remember(place, path, known.head, True, known.size + len(more), digest)

    def _is_unrecorded(
        self, run_id: str, path: str, content: bytes, known: _Written | None, table: Table
    ) -> bool:
        """Return whether a call has written these rows, and was killed before it said so."""
        digest = digest_of(content)
        # We have written and recorded it: what could not be recorded is not remembered.
        if known and known.sha256 == digest:
            return False
        recorded = self._artifacts.recorded(run_id, path).get(path)
        if recorded and recorded.sha256 == digest:
            return False
        size = recorded.size if recorded else None
        return bool(_form(path).is_saved(content, size, table))

    def _put(self, place: Place, path: str, content: bytes) -> Sent:
        place.fs.put(place.full(path), content)
        found = json_tables.split(content)
        if found is None:
            return self._remember(place, path, b"", False, len(content), sha256(content))
        # Not a slice, which would be the table once more in memory.
        digest = sha256(memoryview(content)[: -len(TAIL)])
        return self._remember(place, path, found.head, bool(found.rows), len(content), digest)

    def _remember(
        self, place: Place, path: str, head: bytes, has_rows: bool, size: int, digest: Any
    ) -> Sent:
        full, whole = place.full(path), digest.copy()
        if head:
            whole.update(TAIL)
        found = whole.hexdigest()
        identity = _identity(place, full, size)
        # So that it moves to the end: those at the beginning are forgotten first.
        self._written.pop(full, None)
        self._written[full] = _Written(identity, size, found, head, has_rows, digest)
        if len(self._written) > _MOST_REMEMBERED:
            self._written.popitem(last=False)
        return Sent(path, size, found)


def checked_path(artifact_file: Any) -> str:
    """Return the path of a table below the artifacts of a run.

    Raises:
        InvalidInputError: It has characters that MLflow does not take, another end than
            ``.json`` and ``.parquet``, or leads elsewhere.
    """
    path = os.fspath(artifact_file)
    found = [character for character in _FORBIDDEN if character in path]
    if found:
        raise InvalidInputError(
            f"artifact_file is {path!r}, and the name of a table has no {found[0]}",
            hint=f"leave out all of {_FORBIDDEN}",
        )
    if not path.endswith(_ENDS):
        raise InvalidInputError(
            f"artifact_file is {path!r}; a table is kept in a file that ends with .json or "
            ".parquet"
        )
    return paths.normal(path, "artifact_file")


def _form(path: str) -> Any:
    return json_tables if path.endswith(".json") else parquet_tables


def _identity(place: Place, full: str, size: int) -> object:
    """Return what tells a file from another one; where that is a request, nothing does."""
    identity = place.fs.identity(full)
    return object() if identity is None else (identity, size)
