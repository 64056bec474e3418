"""The history of registered models: every change that was ever made, read from the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities import validation
from lakeflow.entities.model_registry import names
from lakeflow.exceptions import NotFoundError
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import REGISTRY_EVENTS

if TYPE_CHECKING:
    import datetime

    import pyarrow

    from lakeflow.stores.reader import Reader

_ALWAYS = 2**63 - 1

# Whoever has a name has an event with it. Another model may have had it before.
_EVENTS = f"""
SELECT
    "time", user_id, "action", "name", "version", "key", "before", "after", model_id, event_id
FROM {REGISTRY_EVENTS.name}
WHERE "time" <= $until
    AND model_id IN (
        SELECT model_id FROM {REGISTRY_EVENTS.name} WHERE "name" = $name AND "time" <= $until
    )
ORDER BY event_id
"""  # noqa: S608 - constants


class RegistryHistory:
    """What was changed in the registry of a lake.

    Args:
        reader: What reads the lake.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def table(self, name: str, as_of: int | datetime.datetime | None = None) -> pyarrow.Table:
        """Return the changes of each model that has a name or had it, in their order.

        Args:
            name: The name.
            as_of: A time after which nothing counts; None for now.

        Raises:
            InvalidInputError: This is no name, or no time.
            NotFoundError: No model has had it until then.
        """
        import pyarrow

        found = self._events(names.model_name(name), as_of)
        if not found.num_rows:
            raise NotFoundError(
                f"no registered model has or had the name {name!r}"
                + ("" if as_of is None else f" as of {as_of}"),
                hint="search_registered_models lists those that there are",
            )
        times = found["time"].cast(pyarrow.timestamp("ms", "UTC"))
        return found.set_column(0, "time", times)

    def _events(self, name: str, as_of: int | datetime.datetime | None) -> pyarrow.Table:
        until = _ALWAYS if as_of is None else validation.time_ms(as_of, "as_of")
        values = {"name": name, "until": until}
        statement = Statement(_EVENTS, values, (REGISTRY_EVENTS.name,))
        (found,) = self._reader.tables([statement], (), None)
        return found
