"""The history of registered models: every change that was ever made, and what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities import validation
from lakeflow.entities.model_registry import names
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import REGISTRY_EVENTS
from lakeflow.stores.registry.replay import replay

if TYPE_CHECKING:
    import datetime

    import pyarrow

    from lakeflow.entities.model_registry import ModelVersion
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.registry.replay import Past

_ALWAYS = 2**63 - 1

# Whoever has a name has an event with it. Another model may have had it before.
# Ids of events have a fixed width, so that their order as texts is that of the changes.
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

    def model(self, name: str, as_of: int | datetime.datetime) -> Past:
        """Return the model that had a name, as it was.

        Cost: that of ``table``, and an object for each change.

        Args:
            name: The name.
            as_of: When; changes of this very millisecond count.

        Raises:
            InvalidInputError: This is no name, or no time.
            NotFoundError: No model had it.
        """
        wanted = names.model_name(name)
        for model in replay(self._events(wanted, as_of).to_pylist()):
            if model.name == wanted:
                return model
        raise NotFoundError(f"Registered Model with name={wanted} not found as of {as_of}")

    def version(
        self, name: str, version: object, as_of: int | datetime.datetime
    ) -> ModelVersion:
        """Return a version of a model as it was; see ``model``.

        Raises:
            InvalidInputError: These are no name, no version or no time.
            NotFoundError: There was none.
        """
        number = names.version(version)
        model = self.model(name, as_of)
        if number not in model.versions:
            raise NotFoundError(
                f"Model Version (name={name}, version={version}) not found as of {as_of}"
            )
        return model.version(number)

    def version_by_alias(
        self, name: str, alias: str, as_of: int | datetime.datetime
    ) -> ModelVersion:
        """Return the version at which an alias pointed, as it was; see ``model``.

        Raises:
            InvalidInputError: There was no such alias; this is no name or no time.
            NotFoundError: There was no such model.
        """
        model = self.model(name, as_of)
        if alias not in model.aliases:
            raise InvalidInputError(f"Registered model alias {alias} not found as of {as_of}.")
        return model.version(model.aliases[alias])

    def _events(self, name: str, as_of: int | datetime.datetime | None) -> pyarrow.Table:
        until = _ALWAYS if as_of is None else validation.time_ms(as_of, "as_of")
        values = {"name": name, "until": until}
        statement = Statement(_EVENTS, values, (REGISTRY_EVENTS.name,))
        (found,) = self._reader.tables([statement], (), None)
        return found
