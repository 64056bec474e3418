"""The records of one change of the registry, and what its history keeps of it. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.schema import REGISTERED_MODELS, REGISTRY_EVENTS
from lakeflow.stores.registry.state import fields_of, scope_of, tags_of, tags_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.kinds import Kind
    from lakeflow.schema import TableSpec
    from lakeflow.stores.control import Draft
    from lakeflow.stores.things import Thing

Row = dict[str, Any]

_dump = json.JSONEncoder(ensure_ascii=False).encode


class Changes:
    """What one call changes, all of it in one event.

    Args:
        known: What is known, on which it is decided.

    Attributes:
        known: What is known.
    """

    def __init__(self, known: Draft) -> None:
        self.known = known
        self._lines: list[dict[str, list[Row]]] = []
        self._removed: list[tuple[str, str]] = []

    def put(self, table: TableSpec, row: Row) -> None:
        """Add a row of a table: what makes a thing, sets some of its fields, or is its part."""
        # The rows that a line has of one table name the same columns.
        for line in self._lines:
            if table.name not in line or line[table.name][0].keys() == row.keys():
                break
        else:
            line = {}
            self._lines.append(line)
        line.setdefault(table.name, []).append(row)

    def set_model(self, model_id: str, **fields: object) -> None:
        """Set fields of a model, and when it was changed."""
        row = {"model_id": model_id, "last_updated_timestamp": self.known.now_ms, **fields}
        self.put(REGISTERED_MODELS, row)

    def remove(self, kind: Kind, identity: str) -> None:
        """Remove a thing."""
        self._removed.append((kind.name, identity))

    def note(
        self,
        model: Thing | Row,
        action: str,
        *,
        version: int | None = None,
        key: str | None = None,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Add a row of the history.

        Args:
            model: The model, or a row of it where it is new or has a new name.
            action: What was called.
            version: The version that it is about.
            key: The tag or alias that it is about.
            before: What was there.
            after: What is there now.
        """
        # A model that this change makes is not known yet: its row is given.
        row = model if isinstance(model, dict) else fields_of(model)
        event = {
            "event_id": self.known.next_place(),
            "model_id": row["model_id"],
            "name": row["name"],
            "version": version,
            "time": self.known.now_ms,
            "user_id": self.known.user_id,
            "action": action,
            "key": key,
            "before": _json(before),
            "after": _json(after),
        }
        self.put(REGISTRY_EVENTS, event)

    def note_value(
        self,
        model: Thing,
        action: str,
        key: str,
        name: str,
        before: object,
        after: object,
        version: int | None = None,
    ) -> None:
        """Add a row of the history about a tag or an alias.

        Args:
            model: The model.
            action: What was called.
            key: The tag or alias.
            name: What its value is called.
            before: The value that was there; None for none.
            after: The value that is there now; None for none.
            version: The version that it is about.
        """
        told = [None if each is None else {name: each} for each in (before, after)]
        self.note(model, action, version=version, key=key, before=told[0], after=told[1])

    def put_tag(
        self,
        model: Thing,
        action: str,
        key: str,
        value: str | None,
        version: Thing | None = None,
    ) -> None:
        """Set a tag of a model or of a version of it; None removes it if it is there."""
        tagged = model if version is None else version
        before = tags_of(tagged).get(key)
        # MLflow says nothing either where the tag to remove is not there.
        if before is None and value is None:
            return
        self.put(tags_table(tagged), {**scope_of(tagged), "key": key, "value": value})
        number = None if version is None else fields_of(version)["version"]
        self.note_value(model, action, key, "value", before, value, number)

    def bodies(self) -> list[str]:
        """Return the records; none if nothing is changed."""
        bodies = [body for line in self._lines for body in records.tables(line)]
        return [*bodies, *([records.removed(self._removed)] if self._removed else ())]


def _json(fields: Mapping[str, object] | None) -> str | None:
    return None if fields is None else _dump(fields)
