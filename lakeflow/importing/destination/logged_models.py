"""Logged models of a source and their points, written as copies: each counts once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import records
from lakeflow.importing.destination.fitting import Fitting
from lakeflow.importing.items import writer_of
from lakeflow.importing.model_items import ModelPoint
from lakeflow.kinds import LOGGED_MODEL
from lakeflow.records import Origin
from lakeflow.schema import LOGGED_MODEL_METRICS, LOGGED_MODEL_PARAMS, LOGGED_MODEL_TAGS
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.logged_models import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lakeflow.importing.items import Problem
    from lakeflow.importing.model_items import LoggedModelItem
    from lakeflow.stores.store import Store
    from lakeflow.stores.things import Thing

MODELS_AT_ONCE = 500
"""Models that are looked up together."""

_POINTS_OF_A_LINE = 1_000
"""So few that they fit a line, however long their names are."""

_FIRST_ONLY = ("name", "artifact_location", "creation_timestamp", "model_type", "source_run_id")
"""Fields that are set when a model is made, and never again."""


class Written(NamedTuple):
    """A model that the lake has now.

    Attributes:
        item: The model.
        experiment_id: Its experiment in the lake.
        location: Where its files are, as it is stored.
    """

    item: LoggedModelItem
    experiment_id: str
    location: str


class LoggedModelCopies:
    """Writes logged models to a lake that may hold some of them.

    Args:
        store: The lake.
        append: Takes records for it.
        report: Told of what it cannot hold.
    """

    def __init__(
        self,
        store: Store,
        append: Callable[[Sequence[str]], None],
        report: Callable[[Problem], None],
    ) -> None:
        self._store = store
        self._append = append
        self._fitting = Fitting(store.lake, report)
        self._known: dict[str, Thing] = {}

    def write(
        self,
        experiment_id: str,
        items: Sequence[LoggedModelItem],
        locations: Mapping[str, str],
    ) -> list[Written]:
        """Write what the lake lacks of some models.

        Args:
            experiment_id: The experiment of those that the lake does not have.
            items: The models; at most ``MODELS_AT_ONCE``.
            locations: Where the files of new ones will be, as it is stored, by model.

        Returns:
            Those that are there now.
        """
        ids = [each.model_id for each in items]
        # As this process saw them last: what is written here need not be read back.
        found = self._store.runs.reader.things(LOGGED_MODEL, ids)
        self._known = {each.id: each for each in found}
        written = []
        for item in items:
            there = self._known.get(item.model_id)
            row = None if there is None else there.row(LOGGED_MODEL)
            location = locations[item.model_id] if row is None else row["artifact_location"]
            scope = self._scope(experiment_id, item)
            kept = self._fitting.those_of(_bodies(scope, item, location, there), _where(item))
            self._append(kept)
            if kept or row is not None:
                written.append(Written(item, scope[0], location))
        return written

    def _scope(self, experiment_id: str, item: LoggedModelItem) -> tuple[str, str]:
        there = self._known.get(item.model_id)
        # Its experiment may have got another name in the lake.
        return experiment_id if there is None else there.scope[0], item.model_id

    def write_points(
        self,
        experiment_id: str,
        item: LoggedModelItem,
        chunks: Iterable[Sequence[ModelPoint]],
    ) -> None:
        """Write the points that the lake lacks of a model.

        Args:
            experiment_id: Its experiment in the lake.
            item: The model: one of those that ``write`` was called with last.
            chunks: Its points, some thousands at once, each time in the same order.
        """
        known = self._points(item)
        # Behind all that are there, whoever has brought them.
        place = known.total()
        for chunk in chunks:
            new = []
            for point in chunk:
                if known[_key(point)] > 0:
                    known[_key(point)] -= 1
                else:
                    new.append(point)
            if new:
                bodies = _point_bodies((experiment_id, item.model_id), item, new, place)
                self._append(self._fitting.those_of(bodies, _where(item)))
                place += len(new)

    def _points(self, item: LoggedModelItem) -> Counter[str]:
        """Return how often the lake holds each point of a model."""
        thing = self._known.get(item.model_id)
        if thing is None:
            return Counter()
        return Counter(
            _key(
                ModelPoint(
                    each.key,
                    each.value,
                    each.timestamp,
                    each.step,
                    each.run_id or "",
                    each.dataset_name or "",
                    each.dataset_digest or "",
                )
            )
            for each in self._store.logged_models.points(thing)
        )

    def lacks_points(self, item: LoggedModelItem) -> bool:
        """Return whether the lake may lack points of a model: it has another number of them."""
        thing = self._known.get(item.model_id)
        if thing is None or item.point_count is None:
            # Where the source does not say how many there are, only a read tells.
            return item.point_count != 0
        (part,) = (each for each in LOGGED_MODEL.parts if each.table is LOGGED_MODEL_METRICS)
        count = sum(each.count for each in thing.summaries(part).values())
        return count != item.point_count


def _where(item: LoggedModelItem) -> str:
    return f"logged model {item.model_id}"


def _key(point: ModelPoint) -> str:
    # As text: one NaN is not equal to another.
    return repr(tuple(point))


def _bodies(
    scope: tuple[str, str], item: LoggedModelItem, location: str, known: Thing | None
) -> list[str]:
    """Return the records of what a lake lacks of a model; none if it lacks nothing."""
    clock = item.last_updated_time * 1000
    fields = _fields(item, location)
    row = None if known is None else known.row(LOGGED_MODEL)
    if row is not None:
        fields = _newer(fields, row)
    tags, params = dict(item.tags), dict(item.params)
    if known is not None:
        params = _unknown(params, known.parts[LOGGED_MODEL_PARAMS.name])
        there = known.parts[LOGGED_MODEL_TAGS.name]
        tags = {
            key: value
            for key, value in tags.items()
            if key not in there
            # What was removed in the lake is None there, and stays removed.
            or (there[key][0][0] <= clock and there[key][1] not in {None, (value,)})
        }
    pieces = [
        rows.model(scope, fields) if fields else [],
        rows.params(scope, params),
        rows.tags(scope, tags),
    ]
    pieces = [each for each in pieces if each]
    origin = Origin(writer_of(item.model_id), now_ms(), clock)
    return [
        records.copied(origin, body) for body in (records.bodies("", *pieces) if pieces else ())
    ]


def _fields(item: LoggedModelItem, location: str) -> dict[str, Any]:
    return {
        "name": item.name,
        "creation_timestamp": item.creation_time,
        "last_updated_timestamp": item.last_updated_time,
        "status": item.status,
        "status_message": item.status_message,
        "model_type": item.model_type,
        "source_run_id": item.source_run_id,
        "lifecycle_stage": item.lifecycle_stage,
        "artifact_location": location,
    }


def _newer(fields: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that may be set, where the source has changed the model since."""
    if fields["last_updated_timestamp"] <= row["last_updated_timestamp"]:
        return {}
    return {name: each for name, each in fields.items() if name not in _FIRST_ONLY}


def _unknown(pairs: Mapping[str, str], there: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in pairs.items() if key not in there}


def _point_bodies(
    scope: tuple[str, str], item: LoggedModelItem, points: Sequence[ModelPoint], place: int
) -> list[str]:
    named = dict(zip(LOGGED_MODEL.scope, scope, strict=True))
    bodies = []
    for start in range(0, len(points), _POINTS_OF_A_LINE):
        some = points[start : start + _POINTS_OF_A_LINE]
        (field,) = records.table(
            LOGGED_MODEL_METRICS.name, [named | each._asdict() for each in some]
        )
        # All points of a model are one record, of which a place tells each: so they count once.
        origin = Origin(writer_of(item.model_id), 0, item.creation_time * 1000, place + start)
        bodies.append(records.copied(origin, field))
    return bodies
