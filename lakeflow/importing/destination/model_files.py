"""Files of logged models, copied into a lake."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lakeflow import temporary
from lakeflow.importing.destination.files import source_of
from lakeflow.transfer import sending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.importing.items import FileItem, Problem
    from lakeflow.stores.store import Store


def copy_model_files(
    store: Store,
    model_id: str,
    location: str,
    files: Sequence[FileItem],
    report: Callable[[Problem], None],
) -> None:
    """Copy those files of a logged model that the lake does not have in the same size.

    Args:
        store: The lake.
        model_id: The model.
        location: Where its files go, as it is stored.
        files: The files.
        report: Told of those that cannot be read.
    """
    if not files:
        return
    place = store.artifacts.places.beside(model_id, location)
    there = place.sizes()
    lacking = [each for each in files if each.size is None or there.get(each.path) != each.size]
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
        sources = [each for each in found if each is not None]
        for _ in sending.send(place.fs, place.folder, sources, lambda *_: False):
            pass
