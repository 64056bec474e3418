"""Files of logged models, copied into a lake."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lakeflow import temporary
from lakeflow.importing.destination.files import source_of
from lakeflow.stores.artifacts import files_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.importing.items import FileItem, Problem
    from lakeflow.stores.store import Store


def copy_model_files(
    store: Store,
    scope: Sequence[str],
    location: str,
    files: Sequence[FileItem],
    append: Callable[[Sequence[str]], None],
    report: Callable[[Problem], None],
) -> None:
    """Copy those files of a logged model of which the lake has no record of that size.

    Args:
        store: The lake.
        scope: The ids of the experiment in the lake and the model.
        location: Where its files go, as it is stored.
        files: The files.
        append: Takes records for the lake.
        report: Told of those that cannot be read.
    """
    if not files:
        return
    model_id, beside = scope[-1], store.model_files
    place = store.artifacts.places.beside(model_id, location)
    sizes = {path: each.size for path, each in beside.known(scope).items()}
    lacking = [each for each in files if each.size is None or sizes.get(each.path) != each.size]
    with temporary.folder("import") as folder:
        found = [
            source_of(
                store.artifacts.places,
                each,
                os.path.join(folder, str(number)),
                f"logged model {model_id}: artifact {each.path!r}",
                report,
            )
            for number, each in enumerate(lacking)
        ]
        files_beside.send(
            place,
            [each for each in found if each is not None],
            lambda *_: False,
            lambda arrived: append(beside.records(scope, place, arrived)),
            fsync=store.lake.is_durable,
        )
