"""The history of registered models: every change that was ever made, and what was there."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from lakeflow import event_lines
from lakeflow.entities import validation
from lakeflow.entities.model_registry import names
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.query.engine.comparisons import among, binding
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import REGISTRY_EVENTS
from lakeflow.stores.registry.replay import replay
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Sequence

    import pyarrow

    from lakeflow.entities.model_registry import ModelVersion
    from lakeflow.kinds import Kind
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.registry.past_search import PastRegistry
    from lakeflow.stores.registry.replay import Past

# The largest BIGINT, which is what times are.
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

# What follows the dot is the place in the event, which counts as a whole.
_LAST_EVENT = f"""
SELECT max(TRY_CAST(split_part(event_id, '.', 1) AS BIGINT))
FROM {REGISTRY_EVENTS.name}
WHERE "time" <= $until
"""  # noqa: S608 - constants

_EVENTS_AT_ONCE = 10_000


class RegistryHistory:
    """What was changed in the registry of a lake.

    Args:
        reader: What reads the lake.

    Attributes:
        reader: The same.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

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

        wanted = names.model_name(name)
        until = _ALWAYS if as_of is None else validation.time_ms(as_of, "as_of")
        found = self._read(_EVENTS, {"name": wanted, "until": until})
        if not found.num_rows:
            raise NotFoundError(
                f"no registered model has or had the name {name!r}"
                + ("" if as_of is None else f" as of {as_of}"),
                hint="search_registered_models lists those that there are",
            )
        times = found["time"].cast(pyarrow.timestamp("ms", "UTC"))
        return found.set_column(0, "time", times)

    def moment(self, as_of: int | datetime.datetime) -> tuple[int, int]:
        """Return a time in milliseconds, and the number of the last event until then.

        Raises:
            InvalidInputError: This is no time.
        """
        until = validation.time_ms(as_of, "as_of")
        last = self._read(_LAST_EVENT, {"until": until}).column(0)[0].as_py()
        return until, -1 if last is None else last

    def pasts(
        self,
        until: int,
        last: int | None = None,
        *,
        names: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
    ) -> Iterator[tuple[str, Past]]:
        """Yield models as they were, with their ids.

        Cost: the row groups of ``registry_events`` that hold them, and an object for each
        change of a model, one model after the other.

        Args:
            until: Milliseconds since the Unix epoch; changes of this very millisecond count.
            last: Number of the last event that counts; None for all until then.
            names: Of models that have or had one of these; None for all.
            ids: Of models with these ids; None for all.
        """
        values: dict[str, Any] = {}
        bind = binding(values)
        asked = [f'"time" <= {bind(until)}']
        if last is not None:
            # As texts all places in the last event sort before the next number.
            asked.append(f"event_id < {bind(event_lines.number_text(last + 1))}")
        if names is not None:
            named = among('"name"', names, bind)
            asked.append(
                f"model_id IN (SELECT model_id FROM {REGISTRY_EVENTS.name} WHERE {named})"  # noqa: S608 - a name of ours
            )
        if ids is not None:
            asked.append(among("model_id", ids, bind))
        sql = f"""
            SELECT model_id, "time", user_id, "action", "version", "key", "after"
            FROM {REGISTRY_EVENTS.name}
            WHERE {" AND ".join(asked)}
            ORDER BY model_id, event_id
        """  # noqa: S608 - constants, and parameters
        found = self._read(sql, values)
        # As objects of Python's they take far more memory than as Arrow's columns.
        batches = found.to_batches(_EVENTS_AT_ONCE)
        events = (event for batch in batches for event in batch.to_pylist())
        for identity, of_model in groupby(events, lambda event: str(event["model_id"])):
            for model in replay(of_model):
                yield identity, model

    def model(self, name: str, as_of: int | datetime.datetime) -> Past:
        """Return the model that had a name, as it was.

        Cost: as for ``pasts``.

        Args:
            name: The name.
            as_of: When; changes of this very millisecond count.

        Raises:
            InvalidInputError: This is no name, or no time.
            NotFoundError: No model had it.
        """
        wanted = names.model_name(name)
        until = validation.time_ms(as_of, "as_of")
        # Among them are models that had this name earlier, or have given it away.
        for _, model in self.pasts(until, names=[wanted]):
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

    @loading("what searches")
    def searched(
        self, kind: Kind, filter_string: str | None, as_of: object
    ) -> PastRegistry | None:
        """Return what is searched as of a time; None for now, which a reader searches."""
        if as_of is None:
            return None
        # Loads sqlglot, which a job that only logs does not need.
        from lakeflow.stores.registry.past_search import PastRegistry

        return PastRegistry(self, kind, filter_string)

    def _read(self, sql: str, values: dict[str, Any]) -> pyarrow.Table:
        statement = Statement(sql, values, (REGISTRY_EVENTS.name,))
        (found,) = self.reader.tables([statement], (), None)
        return found
