"""The indexes of a fold: documents by id, ids by name, in files that are merged in tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.ids import new_id
from lakeflow.maintenance.tiers import files_to_merge
from lakeflow.tables.block_merge import merge
from lakeflow.tables.block_reader import BlockReader
from lakeflow.tables.block_writer import BlockWriter
from lakeflow.tables.folds import index_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.query.folding.fold_runner import Folding
    from lakeflow.tables.blocks import BlockFile
    from lakeflow.tables.folds import Fold


def write_indexes(
    lake: Lake, kind: Kind, previous: Fold, folding: Folding, folder: Path
) -> dict[str, tuple[BlockFile, ...]]:
    """Publish what a fold adds to the indexes of a kind, and return the files of each.

    Args:
        lake: The lake.
        kind: The kind.
        previous: The fold before.
        folding: What has the new documents.
        folder: A folder on this machine to write files in.
    """
    added = {kind.name: folding.documents(kind)}
    added |= {kind.index(column): folding.names(kind, column) for column in kind.unique}
    return {
        name: _added(lake, name, previous.indexes.get(name, ()), entries, folder)
        for name, entries in added.items()
    }


def _added(
    lake: Lake,
    name: str,
    before: tuple[BlockFile, ...],
    entries: Iterable[tuple[str, str]],
    folder: Path,
) -> tuple[BlockFile, ...]:
    """Publish a file with new entries, merged with others of about its size."""

    def add_all(writer: BlockWriter) -> None:
        for key, value in entries:
            writer.add(key, value)

    newest = _written(name, folder, add_all)
    if not newest.entries:
        return before
    files = (newest, *before)
    # The newest files come first: in a merge the first of several entries of a key stays.
    count = files_to_merge([file.entries for file in files])
    if count:
        readers = [
            _staged(folder, newest),
            *(lake.index_files.reader(each) for each in files[1:count]),
        ]
        # The mark of a removed key hides it in older files. With all of them merged there is
        # nothing left to hide.
        newest = _written(
            name,
            folder,
            lambda writer: merge(readers, writer, drop_removed=count == len(files)),
        )
        files = (newest, *files[count:])
    # A file has a new name each time, so a fold that is begun again overwrites nothing.
    lake.fs.upload(str(folder / newest.path), newest.path)
    lake.fs.sync(newest.path)
    return files


def _written(name: str, folder: Path, fill: Callable[[BlockWriter], None]) -> BlockFile:
    path = f"{index_folder(name)}/{new_id()}.blocks"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with (folder / path).open("wb") as file:
        writer = BlockWriter(file, path)
        fill(writer)
        return writer.finish()


def _staged(folder: Path, file: BlockFile) -> BlockReader:
    def read(start: int, end: int) -> bytes:
        with (folder / file.path).open("rb") as blocks:
            blocks.seek(start)
            return blocks.read(end - start)

    return BlockReader(file, read)
