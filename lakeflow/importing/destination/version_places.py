"""Where the files of versions are, once those of runs and logged models are in a lake."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lakeflow.kinds import LOGGED_MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.importing.model_items import ModelVersionItem
    from lakeflow.stores.store import Store

_FOLDER = re.compile(r"(?:^|/)([0-9a-f]{32}|m-[0-9a-f]{32})/artifacts(?=/|$)")
_RUN = re.compile(r"runs:/+([^/]+)")
_MODEL = re.compile(r"models:/+(m-[0-9a-f]{32})(?=/|$)")


def places_of(store: Store, versions: Sequence[ModelVersionItem]) -> list[str]:
    """Return where the files of some versions are now.

    What was in the folder of a run or of a logged model is in its folder of the lake, or where
    this says that it is; anything else is where it was.

    Args:
        store: The lake.
        versions: The versions, with what they were made of.
    """
    at = [each.storage_location or each.source for each in versions]
    named = [_named(each) for each in at]
    folders = _folders(store, sorted({identity for identity, _ in named if identity}))
    resolve = store.lake.fs.resolve
    return [
        f"{resolve(folders[identity])}{rest}" if identity in folders else place
        for place, (identity, rest) in zip(at, named, strict=True)
    ]


def _named(place: str) -> tuple[str, str]:
    """Return the run or the logged model whose folder a place is in, and the path there.

    Examples:
        >>> _named("s3://b/1/" + "a" * 32 + "/artifacts/net")[1]
        '/net'
        >>> _named("runs:/1/net"), _named("/elsewhere")
        (('1', '/net'), ('', ''))
    """
    for pattern in (_RUN, _MODEL):
        found = pattern.match(place)
        if found:
            return found[1], place[found.end() :]
    inside = [*_FOLDER.finditer(place)]
    return (inside[-1][1], place[inside[-1].end() :]) if inside else ("", "")


def _folders(store: Store, ids: Sequence[str]) -> dict[str, str]:
    """Return the folders of runs and logged models as they are stored, by id."""
    reader = store.runs.reader
    folders: dict[str, str] = {
        state.fields["run_id"]: state.fields["artifact_uri"] for state in reader.runs(ids)
    }
    models = [each for each in ids if each.startswith("m-")]
    for thing in reader.things(LOGGED_MODEL, models):
        row = thing.row(LOGGED_MODEL)
        if row is not None:
            folders[thing.id] = row["artifact_location"]
    return folders
